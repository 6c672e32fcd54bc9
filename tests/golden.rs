//! Golden files: plain files beside their samples, compared whole, rewritten when `INSTA_UPDATE=always` is set
//! (the variable that rewrites insta's own snapshots too, so that one command blesses everything).

use std::path::Path;

/// Fails with the first line that differs, or rewrites the golden when asked to.
pub fn assert_golden(path: &Path, actual: &[u8]) {
    if std::env::var_os("INSTA_UPDATE").is_some_and(|v| v == "always") {
        std::fs::write(path, actual).expect("golden can be written");
        return;
    }
    let expected = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}; run the tests with INSTA_UPDATE=always", path.display()));
    if expected == actual {
        return;
    }
    let (old, new) = (String::from_utf8_lossy(&expected), String::from_utf8_lossy(actual));
    let line = old.lines().zip(new.lines()).position(|(a, b)| a != b).unwrap_or_else(|| old.lines().count().min(new.lines().count()));
    let cut = |text: &str| text.lines().nth(line).unwrap_or("<end of file>").chars().take(300).collect::<String>();
    panic!(
        "{} differs from line {}:\n  golden: {}\n  now:    {}\nread the change, then bless it with INSTA_UPDATE=always",
        path.display(),
        line + 1,
        cut(&old),
        cut(&new)
    );
}
