//! The one filter for SVG that another drawer made: known shapes, text and presentation attributes pass, nothing else does.

use std::fmt::Write;

const ELEMENTS: [&str; 12] = ["svg", "g", "title", "desc", "rect", "text", "tspan", "path", "line", "circle", "polygon", "polyline"];
const ATTRIBUTES: [&str; 30] = [
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "d",
    "points",
    "width",
    "height",
    "viewBox",
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "text-anchor",
    "font-size",
    "font-family",
    "font-weight",
    "transform",
    "opacity",
    "role",
    "preserveAspectRatio",
    "dominant-baseline",
];

/// Foreign SVG with known shapes and attributes only: no script, style, link, handler, reference, declaration or
/// comment is left, nor the contents of an element that is not known.
pub fn harmless(svg: &str, max_elements: usize) -> Option<String> {
    let mut out = String::with_capacity(svg.len());
    let (mut rest, mut elements) = (svg, 0usize);
    // Names of open elements; `None` for one that was dropped, and how many of those there are.
    let mut open: Vec<Option<&'static str>> = Vec::new();
    let mut dropped = 0usize;
    while let Some(at) = rest.find('<') {
        let (words, tail) = rest.split_at(at);
        if !open.is_empty() && dropped == 0 {
            out.push_str(&words.replace('>', "&gt;"));
        }
        if let Some(after) = tail.strip_prefix("<!--") {
            rest = after.split_once("-->").map_or("", |(_, r)| r);
            continue;
        }
        if let Some(after) = tail.strip_prefix("<![CDATA[") {
            rest = after.split_once("]]>").map_or("", |(_, r)| r);
            continue;
        }
        let end = tag_end(tail);
        let tag = tail.get(1..end).unwrap_or("");
        rest = tail.get(end + 1..).unwrap_or("");
        if tag.starts_with(['!', '?']) {
            continue;
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some(Some(name)) if dropped == 0 => {
                    let _ = write!(out, "</{name}>");
                }
                Some(None) => dropped -= 1,
                _ => {}
            }
            continue;
        }
        let closed = tag.ends_with('/');
        let body = tag.trim_end_matches('/');
        let name = body.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or("");
        let known = ELEMENTS.iter().find(|e| **e == name).copied();
        if known.is_some() && dropped == 0 {
            elements += 1;
            if elements > max_elements {
                return None;
            }
            let _ = write!(out, "<{name}");
            attributes(body.get(name.len()..).unwrap_or(""), &mut out);
            out.push_str(if closed { "/>" } else { ">" });
        }
        if !closed {
            open.push(known);
            dropped += usize::from(known.is_none());
        }
    }
    // Close what the source left open, so that the page around it stays whole.
    while let Some(last) = open.pop() {
        match last {
            Some(name) if dropped == 0 => {
                let _ = write!(out, "</{name}>");
            }
            Some(_) => {}
            None => dropped -= 1,
        }
    }
    out.starts_with("<svg").then_some(out)
}

/// Index of the `>` that ends the tag at the start of `tail`; a `>` in quotes does not.
fn tag_end(tail: &str) -> usize {
    let mut quote = None;
    for (i, b) in tail.bytes().enumerate() {
        match (quote, b) {
            (None, b'>') => return i,
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    tail.len()
}

fn attributes(mut body: &str, out: &mut String) {
    loop {
        body = body.trim_start();
        let Some((name, rest)) = body.split_once('=') else { return };
        let name = name.trim().rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap_or("");
        let rest = rest.trim_start();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return };
        let Some((value, after)) = rest.get(1..).and_then(|r| r.split_once(quote)) else { return };
        body = after;
        let tame = !value.contains(['<', '>', '&', ':', '\\', '"']) && !value.to_ascii_lowercase().contains("url(");
        if tame && ATTRIBUTES.contains(&name) {
            let _ = write!(out, r#" {name}="{value}""#);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_svg_loses_all_that_acts() {
        let evil = r#"<?xml version="1.0"?><!DOCTYPE svg><svg width="10" onload="init(evt)" style="x" xmlns="http://www.w3.org/2000/svg"><style>a{}</style><script><![CDATA[alert(1)]]></script><defs><g><text>no</text></g></defs><g id="x" onclick='y()'><title>a &lt; b</title><rect fill="url(#g)" x="1"/><a href="javascript:z"><text>link</text></a></g><image href="http://e/"/>"#;
        assert_eq!(harmless(evil, 99).unwrap(), r#"<svg width="10"><g><title>a &lt; b</title><rect x="1"/></g></svg>"#);
        assert!(harmless("no picture", 99).is_none());
        let hostile = "<svg onload=\"x()\"><script><![CDATA[if (a<b) alert(1)]]></script><rect fill='url(#x)' x=\"1\" onclick=\"y('>')\"/><text>t</text><foreignObject><p>q</p></foreignObject></svg>";
        assert_eq!(harmless(hostile, 99).unwrap(), "<svg><rect x=\"1\"/><text>t</text></svg>");
    }
}
