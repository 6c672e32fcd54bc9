//! Secrets by shape: tokens of well-known issuers, keys, URLs with credentials, and `name=value` where the name gives
//! the value away. One alternation, so that a text without a secret is scanned once and not copied.

use super::{MARK, env};
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Names whose value is secret, as a regular expression; also used for keys of JSON objects and environment variables.
pub const SECRET_NAME: &str = r"(?:pass(?:wor[dt]|wd|phrase|code)|passwd|(?-u:\b)pwd|_pwd|[_\-]pass(?-u:\b)|_pw(?-u:\b)|secret|token|api[_\-. ]?key|access[_\-.]?key|private[_\-.]?key|client[_\-.]?key|key[_\-.]?data|ssh[_\-.]?key|secret[_\- ]?key|account[_\-.]?key|shared[_\-.]?key|signing[_\-.]?key|encryption[_\-.]?key|master[_\-.]?key|auth[_\-.]?key|license[_\-.]?key|credential|session[_\-.]?id|connection[_\-.]?string|conn[_\-.]?str|(?-u:\b)dsn(?-u:\b)|_dsn(?-u:\b)|webhook[_\-.]?url|otp[_\-.]?seed|(?-u:\b)salt(?-u:\b))";

/// Tokens that are secret wherever they stand.
const TOKENS: &str = concat!(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    r"|(?-u:\b)eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?",
    r"|(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?-u:\b)",
    r"|(?-u:\b)gh[pousr]_[A-Za-z0-9]{16,}|(?-u:\b)github_pat_[A-Za-z0-9_]{16,}|(?-u:\b)gl(?:pat|dt|rt|soat|ptt)-[A-Za-z0-9_\-]{16,}",
    r"|(?-u:\b)xox[abeoprs]-[A-Za-z0-9\-]{8,}|(?-u:\b)xapp-[A-Za-z0-9\-]{8,}|hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]+",
    r"|(?-u:\b)[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|(?-u:\b)whsec_[A-Za-z0-9]{8,}",
    r"|(?-u:\b)AIza[0-9A-Za-z_\-]{30,}|(?-u:\b)ya29\.[0-9A-Za-z_\-]{16,}|(?-u:\b)GOCSPX-[0-9A-Za-z_\-]{16,}",
    r"|(?-u:\b)npm_[A-Za-z0-9]{30,}|(?-u:\b)pypi-[A-Za-z0-9_\-]{16,}|(?-u:\b)sk-[A-Za-z0-9_\-]{20,}|(?-u:\b)hf_[A-Za-z0-9]{20,}|(?-u:\b)dapi[0-9a-f]{32}(?-u:\b)",
    r"|(?-u:\b)SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|(?-u:\b)SK[0-9a-f]{32}(?-u:\b)|(?-u:\b)key-[0-9a-f]{32}(?-u:\b)",
    r"|(?-u:\b)hv[sbr]\.[A-Za-z0-9_\-]{20,}|(?-u:\b)do[opr]_v1_[0-9a-f]{32,}|(?-u:\b)shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|(?-u:\b)AGE-SECRET-KEY-1[A-Z0-9]+",
    // A PEM private key within base64, as a kubeconfig and a Secret hold it.
    r"|(?-u:\b)LS0tLS1CRUdJTi[A-Za-z0-9+/=]{16,}",
    r"|(?-u:\b)s\.[A-Za-z0-9]{24}(?-u:\b)",
    r"|\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$argon2(?:id|i|d)\$[^\s]+",
);

static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let pattern = format!(
        concat!(
            r"(?P<token>{tokens})",
            // scheme://user:password@host; of a text that was cut the password may be its end
            r#"|(?P<scheme>(?-u:\b)[A-Za-z][A-Za-z0-9+.\-]*://)(?P<user>[^\s/?\#"'<>]+@|[^\s/?\#@:"'<>]*:[^\s@"'<>]+@|(?P<ends>[^\s/?\#@:"'<>\[]*:[^\s@"'<>/]+?(?:…|\z)))(?P<digest>sha256:)?"#,
            // Authorization: Bearer x; Cookie: x
            r#"|(?P<header>(?i-u:(?-u:\b)(?:proxy-)?authorization|(?-u:\b)(?:set-)?cookie|(?-u:\b)x-(?:api-key|auth-token|amz-security-token|vault-token))["']?\s*[:=]\s*["']?)(?P<hvalue>[^\r\n"']+)"#,
            r"|(?P<scheme2>(?i-u:(?-u:\b)(?:bearer|basic))\s+)(?P<auth>[A-Za-z0-9._~+/=\-]{{8,}})",
            // SharedAccessSignature and signed URLs
            r"|(?P<sigkey>(?i-u:[?&;](?:sig|signature|x-amz-signature|x-goog-signature|x-amz-security-token|code|state)=))(?P<sig>[^&\s;]{{12,}})",
            // --password x, -u user:password
            r#"|(?P<flag>(?i-u:(?:^|[\s"'\[,])--?[a-z0-9\-_.]*{name}[a-z0-9\-_.]*)["']?(?:\s+|,\s*["']))(?P<fvalue>[^\s\-"',][^\s"',]*)"#,
            r"|(?P<uflag>(?:^|\s)(?:-u ?|--user[ =]))(?P<uvalue>[A-Za-z][^\s:/]*:[^\s]+)",
            // Programs whose short option is a password: `mysql -pX`, `docker login -p X`, `sshpass -p X`, `redis-cli -a X`
            r"|(?P<pflag>(?-u:\b)(?:mysql(?:dump|admin)?|mariadb(?:-dump)?|mongo(?:sh|dump)?|docker login|podman login|sshpass|redis-cli|smbclient|htpasswd)(?-u:\b)[^\n|;&]*?\s-[pa])(?P<pvalue> ?[^\s\-][^\s]*)",
            // user/password@ of Oracle's thin driver and sqlplus
            r"|(?P<oracle>(?i-u:jdbc:oracle:[a-z]+:|(?-u:\b)sqlplus )[^\s/@]+/)(?P<ovalue>[^\s@]+)",
            // name = value, name: value, "name": "value"
            r#"|(?P<key>(?i-u:[A-Za-z0-9_.\-]*{name}[A-Za-z0-9_.\-]*))(?P<sep>\\?["']?\s*(?:=>|:=|=|:)\s*)(?P<value>"(?:[^"\\]|\\.)*"?|\\"(?:[^"\\]|\\[^"])*(?:\\")?|'[^']*'?|[^\s,;&"'}})\]]+)"#,
        ),
        tokens = TOKENS,
        name = SECRET_NAME,
    );
    Regex::new(&pattern).ok()
});

/// Cheap first look: text without any of these words cannot hold a secret that the patterns know.
static TRIGGER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"://[^\s/]*@|://[^\s/:]*:|-----BEGIN|eyJ|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]|gh[pousr]_|github_pat_|gl[a-z]{2,4}-|xox|xapp-|slack\.com/|[srp]k_|whsec_",
        r"|AIza|ya29\.|GOCSPX|npm_|pypi-|sk-|hf_|dapi|SG\.|SK[0-9a-f]|key-|hv[sbr]\.|do[opr]_v1|shp|AGE-SEC|\$2[abxy]\$|\$argon",
        r"|(?i-u:pass|pwd|_pw|secret|token|key|credential|session|dsn|salt|auth|cookie|bearer|basic|webhook|otp|conn|sig=|signature=|code=|state=)|-u|--user|(?-u:\b)(?:mysql|maria|mongo|smbc|sqlplus)|login|redis-cli|LS0tLS1|(?-u:\b)s\.[A-Za-z0-9]{20}|oracle:"
    ))
    .ok()
});

/// A line of a PEM or base64 body stands for itself in an excerpt: 64 or 76 characters of base64 and nothing else.
fn is_key_body(text: &str) -> bool {
    let t = text.trim();
    let b64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    matches!(t.len(), 64 | 76)
        && t.bytes().all(b64)
        && t.bytes().any(|b| b.is_ascii_uppercase())
        && t.bytes().any(|b| b.is_ascii_lowercase())
        && t.bytes().any(|b| b.is_ascii_digit())
}

/// Replaces secrets by [`MARK`] and counts them.
pub fn hide<'a>(text: &'a str, count: &mut u64) -> Cow<'a, str> {
    if text.len() < 4 {
        return Cow::Borrowed(text);
    }
    if is_key_body(text) {
        *count += 1;
        return Cow::Owned(MARK.to_owned());
    }
    let Some(re) = SECRETS.as_ref() else { return Cow::Owned(MARK.to_owned()) };
    let text = env::lines(text, count);
    if TRIGGER.as_ref().is_some_and(|t| !t.is_match(&text)) {
        return text;
    }
    let hidden = match re.replace_all(&text, |c: &Captures<'_>| replace(c, count)) {
        Cow::Owned(s) => Some(s),
        Cow::Borrowed(_) => None,
    };
    match hidden {
        Some(s) => Cow::Owned(s),
        None => text,
    }
}

fn replace(c: &Captures<'_>, count: &mut u64) -> String {
    let get = |name: &str| c.name(name).map_or("", |m| m.as_str());
    let whole = c.get(0).map_or("", |m| m.as_str());
    let (lead, value, keep) = if c.name("token").is_some() {
        ("", whole, false)
    } else if c.name("scheme").is_some() {
        let user = get("user").trim_end_matches('@');
        // Not credentials: an image digest, a scoped package behind a port.
        let password = user.split_once(':').map_or("", |(_, p)| p);
        let port = password.split(['/', '?']).next().unwrap_or("");
        let has_path = password.contains('/');
        let number = !port.is_empty() && port.trim_end_matches('…').bytes().all(|b| b.is_ascii_digit());
        let ends = c.name("ends").is_some();
        let id = ends && user.split_once(':').is_some_and(|(kind, _)| kind.starts_with("sha"));
        let keep = ((has_path || ends) && number) || id || c.name("digest").is_some();
        if !keep && !user.contains(MARK) {
            *count += 1;
            let tail = if !ends {
                "@"
            } else if user.ends_with('…') {
                "…"
            } else {
                ""
            };
            return format!("{}{MARK}{tail}", get("scheme"));
        }
        ("", whole, true)
    } else if c.name("header").is_some() {
        (get("header"), get("hvalue"), false)
    } else if c.name("scheme2").is_some() {
        let v = get("auth");
        (get("scheme2"), v, !v.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) && v.len() < 20)
    } else if c.name("sigkey").is_some() {
        (get("sigkey"), get("sig"), false)
    } else if c.name("flag").is_some() {
        (get("flag"), get("fvalue"), false)
    } else if c.name("uflag").is_some() {
        (get("uflag"), get("uvalue"), false)
    } else if c.name("pflag").is_some() {
        (get("pflag"), get("pvalue"), false)
    } else if c.name("oracle").is_some() {
        (get("oracle"), get("ovalue"), false)
    } else {
        return key_value(get("key"), get("sep"), get("value"), whole, count);
    };
    if keep || value.contains(MARK) {
        return whole.to_owned();
    }
    *count += 1;
    format!("{lead}{MARK}")
}

/// `name: value`, unless the name speaks of a place, an amount or a source file, or the value is plainly a measure.
fn key_value(key: &str, sep: &str, value: &str, whole: &str, count: &mut u64) -> String {
    // The shell's own variables name a folder.
    if matches!(key, "PWD" | "OLDPWD" | "INIT_CWD") && value.starts_with('/') {
        return whole.to_owned();
    }
    let quoted_key = sep.starts_with(['"', '\'', '\\']);
    let assigned = sep.contains('=');
    if value.is_empty() || value.contains(MARK) || is_harmless_name(key) || names_a_reference(value) {
        return whole.to_owned();
    }
    if !quoted_key && !assigned && (value.starts_with(':') || is_measure(value)) {
        return whole.to_owned();
    }
    *count += 1;
    let quote = if value.starts_with("\\\"") {
        "\\\""
    } else if value.starts_with('"') {
        "\""
    } else if value.starts_with('\'') {
        "'"
    } else {
        ""
    };
    format!("{key}{sep}{quote}{MARK}{quote}")
}

/// `secretName`, `tokenFile`, `tokens_total`, `token.js`: the value beside these is not the secret itself.
pub fn is_harmless_name(key: &str) -> bool {
    const TAILS: [&str; 34] = [
        "name",
        "ref",
        "file",
        "path",
        "dir",
        "mount",
        "count",
        "total",
        "bytes",
        "size",
        "length",
        "limit",
        "ttl",
        "expiry",
        "expires",
        "expiration",
        "expirationseconds",
        "type",
        "version",
        "enabled",
        "optional",
        "policy",
        "provider",
        "store",
        "cache",
        "seconds",
        "_ms",
        "kind",
        "tokens",
        "secrets",
        "credentials_file",
        "url_path",
        "rotation",
        "keyref",
    ];
    const SOURCES: [&str; 19] = [
        ".js", ".ts", ".mjs", ".cjs", ".jsx", ".tsx", ".py", ".go", ".java", ".kt", ".scala", ".rb", ".rs", ".c", ".cc", ".cpp", ".h",
        ".cs", ".php",
    ];
    let lower = key.to_ascii_lowercase();
    TAILS.iter().any(|t| lower.ends_with(t)) && !lower.ends_with("connection_string") || SOURCES.iter().any(|s| lower.ends_with(s))
}

/// `<set to the key 'x' in secret 'y'>`, `$(VAR)`, `nil`: a pointer to a secret, not one.
fn names_a_reference(value: &str) -> bool {
    let v = value.trim_matches(['"', '\'', '\\']);
    v.is_empty()
        || v.starts_with("<set")
        || v.starts_with("$(")
        || v.starts_with("${")
        || v == "{"
        || v == "["
        || matches!(v, "null" | "nil" | "none" | "None" | "true" | "false" | "<nil>")
}

/// `+153`, `12.5`, `57:12`: a number beside a class or file name in a report.
fn is_measure(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b':' | b',' | b'%'))
}

/// Whether a name gives its value away as secret.
pub fn is_secret_name(name: &str) -> bool {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("(?i){SECRET_NAME}")).ok());
    NAME.as_ref().is_none_or(|re| re.is_match(name)) && !is_harmless_name(name)
}
