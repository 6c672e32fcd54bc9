//! Shell prompts in pasted terminal sessions: which lines are a command that someone typed.

/// Programs whose output is evidence, or which people type between such commands.
const COMMANDS: [&str; 44] = [
    "kubectl",
    "oc",
    "k",
    "k9s",
    "stern",
    "helm",
    "docker",
    "crictl",
    "ctr",
    "nerdctl",
    "podman",
    "journalctl",
    "dmesg",
    "cat",
    "zcat",
    "tail",
    "head",
    "less",
    "grep",
    "zgrep",
    "ps",
    "top",
    "htop",
    "free",
    "vmstat",
    "date",
    "uptime",
    "hostname",
    "ssh",
    "exit",
    "logout",
    "ls",
    "cd",
    "jcmd",
    "jmap",
    "jstat",
    "go",
    "python",
    "python3",
    "node",
    "curl",
    "systemctl",
    "watch",
    "clear",
];

/// Commands whose output is Kubernetes or node evidence.
const EVIDENCE: [&str; 8] = ["kubectl", "oc", "k", "crictl", "journalctl", "dmesg", "jcmd", "systemctl"];

/// The command typed on `line`, without its prompt: `user@host:~$ kubectl get pods`, `[root@n1 ~]# dmesg -T`, `$ kubectl …`,
/// `PS C:\> kubectl …`, `+ kubectl …` (a shell's trace).
pub fn command(line: &str) -> Option<&str> {
    if line.starts_with([' ', '\t']) {
        return None;
    }
    let end = line.char_indices().find_map(|(i, c)| {
        let rest = line.get(i + c.len_utf8()..)?;
        (matches!(c, '$' | '#' | '%' | '>' | '❯' | '➜' | '+') && rest.starts_with(' ')).then_some((i, rest))
    });
    let (at, rest) = end?;
    let prompt = line.get(..at)?;
    // Without anything before the sign a `#` is a comment and a `>` a quotation.
    let sign = line.get(at..)?.chars().next()?;
    let shaped = match prompt {
        "" => matches!(sign, '$' | '%' | '❯' | '➜' | '+'),
        p if sign == '+' => p.chars().all(|c| c == '+'),
        p => {
            p.len() <= 120
                && (p.contains('@')
                    || p.starts_with(['[', '(', '~', '/', '➜'])
                    || p.starts_with("PS ")
                    || p.starts_with("sh-")
                    || p.starts_with("bash-"))
        }
    };
    let command = rest.trim();
    let first = program(command);
    (shaped && COMMANDS.contains(&first)).then_some(command)
}

/// Name of the program a command runs, past `sudo` and settings of variables.
pub fn program(command: &str) -> &str {
    let mut words = command.split_whitespace().skip_while(|w| *w == "sudo" || *w == "time" || w.contains('=') && !w.starts_with('-'));
    let first = words.next().unwrap_or("");
    first.rsplit('/').next().unwrap_or(first)
}

/// Whether the command's output is evidence by itself.
pub fn is_evidence(command: &str) -> bool {
    EVIDENCE.contains(&program(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_of_several_shells_and_no_comments() {
        assert_eq!(command("user@bastion:~$ kubectl -n data get pods"), Some("kubectl -n data get pods"));
        assert_eq!(command("[root@n1 ~]# sudo dmesg -T"), Some("sudo dmesg -T"));
        assert_eq!(command("PS C:\\> kubectl get nodes"), Some("kubectl get nodes"));
        assert_eq!(command("# kubectl apply -f this.yaml"), None);
        assert_eq!(command("price 5$ oc"), None);
        assert_eq!(program("sudo KUBECONFIG=/x /usr/bin/kubectl top pods"), "kubectl");
    }
}
