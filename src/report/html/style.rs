//! The only style of all pages, its digest for the page's policy, and the mark.
//! Off-white and near-black, one warm colour for harm, one blue for what was measured, violet for what people did.

use sha2::{Digest, Sha256};

pub const LOGO: &str = r##"<svg class="logo" width="24" height="24" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><rect x="1" y="1" width="22" height="22" rx="5" fill="#1c1d19"/><path d="M4 8.500h16" stroke="#ff9a66" stroke-width="1.500" stroke-dasharray="3 2"/><path d="M4 19l4-5 3 2 5-8" fill="none" stroke="#6cc0f5" stroke-width="2" stroke-linejoin="round"/><circle cx="16" cy="8.500" r="3.200" fill="#d9541e"/></svg>"##;

/// SHA-256 of the style in base64, as a Content-Security-Policy wants it.
pub fn digest() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(44);
    for chunk in Sha256::digest(CSS.as_bytes()).chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let six = (word >> (18 - 6 * i) & 63) as usize;
            out.push(if i <= chunk.len() { ALPHABET.get(six).map_or('=', |b| char::from(*b)) } else { '=' });
        }
    }
    out
}

pub const CSS: &str = include_str!("style.css");
