//! Text in UTF-16, as PowerShell's `>` writes it, told by its byte order mark and turned into UTF-8 at the door: no format
//! needs to know. Offsets and lines of everything read from it are those of the decoded text. Files without a mark, and
//! ones too large to hold in memory twice, are left as they are.

use super::content::Content;

/// Larger files are not decoded, in bytes.
pub const MAX: u64 = 256 << 20;

/// Whether the first bytes are UTF-16's mark and not UTF-32's.
pub fn is_marked(head: &[u8]) -> bool {
    head.starts_with(&[0xfe, 0xff]) || (head.starts_with(&[0xff, 0xfe]) && !head.starts_with(&[0xff, 0xfe, 0, 0]))
}

/// The text in UTF-8; what is no character becomes U+FFFD, a half unit at the end is dropped.
pub fn decoded(content: &Content) -> std::io::Result<Vec<u8>> {
    let bytes = content.bytes()?;
    let big = bytes.starts_with(&[0xfe, 0xff]);
    let units = bytes.get(2..).unwrap_or(&[]).chunks_exact(2).map(|c| match c {
        [a, b] if big => u16::from_be_bytes([*a, *b]),
        [a, b] => u16::from_le_bytes([*a, *b]),
        _ => 0xfffd,
    });
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_decode_and_other_marks_are_left_alone() {
        let text = "kübe 🦀\r\n";
        for big in [false, true] {
            let mut bytes = if big { vec![0xfe, 0xff] } else { vec![0xff, 0xfe] };
            bytes.extend(text.encode_utf16().flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }));
            assert!(is_marked(&bytes));
            assert_eq!(decoded(&Content::memory(bytes)).ok().as_deref(), Some(text.as_bytes()));
        }
        assert!(!is_marked(&[0xff, 0xfe, 0, 0, b'a', 0, 0, 0]));
        assert!(!is_marked(&[0xef, 0xbb, 0xbf]));
    }
}
