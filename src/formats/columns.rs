//! Columns of text tables as Go's tabwriter and printf-style tools lay them out: cells may hold single blanks, so they are
//! cut at the header's offsets, and at gaps of two blanks or more where a paste moved them.

/// Fields separated by two blanks or more, or by tabs.
pub fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split('\t').flat_map(|part| part.split("  ")).map(str::trim).filter(|f| !f.is_empty())
}

/// A table under a header: values by the header's columns where the row keeps them, else by gaps.
pub struct Columns<'h> {
    names: Vec<(&'h str, usize)>,
}

impl<'h> Columns<'h> {
    /// Column names of a header line are separated by gaps.
    pub fn of(header: &'h str) -> Self {
        let mut names = Vec::new();
        for name in fields(header) {
            let byte = name.as_ptr() as usize - header.as_ptr() as usize;
            names.push((name, header.get(..byte).map_or(0, |h| h.chars().count())));
        }
        Columns { names }
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The row's cells, one per column; the last takes the rest of the line. `None` if the row does not fit.
    pub fn cells<'r>(&self, raw: &'r str) -> Option<Vec<&'r str>> {
        self.by_offset(raw).or_else(|| self.by_gaps(raw))
    }

    fn by_offset<'r>(&self, raw: &'r str) -> Option<Vec<&'r str>> {
        if raw.contains('\t') {
            return None;
        }
        let bytes: Vec<usize> = raw.char_indices().map(|(i, _)| i).collect();
        let mut out = Vec::with_capacity(self.names.len());
        for (n, &(_, start)) in self.names.iter().enumerate() {
            let from = bytes.get(start).copied().unwrap_or(raw.len());
            // Every column but the first begins after two blanks, or past the line's end.
            if n > 0 && from < raw.len() && !raw.get(..from)?.ends_with("  ") {
                return None;
            }
            let to = match self.names.get(n + 1) {
                Some(&(_, next)) => bytes.get(next).copied().unwrap_or(raw.len()),
                None => raw.len(),
            };
            out.push(raw.get(from..to.max(from))?.trim());
        }
        Some(out)
    }

    fn by_gaps<'r>(&self, raw: &'r str) -> Option<Vec<&'r str>> {
        let mut out = Vec::with_capacity(self.names.len());
        let mut rest = raw.trim();
        while out.len() + 1 < self.names.len() {
            let end = match (rest.find("  "), rest.find('\t')) {
                (Some(a), Some(b)) => a.min(b),
                (a, b) => a.or(b)?,
            };
            out.push(rest.get(..end)?.trim());
            rest = rest.get(end..)?.trim_start();
        }
        out.push(rest);
        Some(out)
    }

    /// The cell of column `name`.
    pub fn cell<'r>(&self, cells: &[&'r str], name: &str) -> Option<&'r str> {
        let n = self.names.iter().position(|(c, _)| c.eq_ignore_ascii_case(name))?;
        cells.get(n).copied().filter(|c| !c.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_by_offset_keep_empty_ones_and_by_gaps_keep_the_message_whole() {
        let c = Columns::of("  Type    Reason   Age                  From     Message");
        let row = "  Normal  Pulled   5h33m (x4 over 23h)           Container  image";
        assert_eq!(c.cells(row), Some(vec!["Normal", "Pulled", "5h33m (x4 over 23h)", "", "Container  image"]));
        let squeezed = "Normal  Pulled  5h33m (x4 over 23h)  kubelet  a  b";
        assert_eq!(c.cells(squeezed), Some(vec!["Normal", "Pulled", "5h33m (x4 over 23h)", "kubelet", "a  b"]));
    }
}
