//! A source map: places of generated code and where they stood in the sources. Lines and columns count from 0.

/// One mapped place: from there on, up to the next one of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    pub line: u32,
    pub column: u32,
    /// Index into [`SourceMap::sources`].
    pub source: u32,
    pub original_line: u32,
    pub original_column: u32,
    /// Index into [`SourceMap::names`].
    pub name: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceMap {
    /// File name of the generated script.
    pub generated: String,
    pub sources: Vec<String>,
    /// Text of each source, where the map carries it.
    pub texts: Vec<Option<String>>,
    pub names: Vec<String>,
    /// Sorted by line and column.
    pub mappings: Vec<Mapping>,
}

/// Where something stood in the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original<'a> {
    pub source: &'a str,
    pub line: u32,
    pub column: u32,
    pub name: Option<&'a str>,
    /// The whole source.
    pub text: Option<&'a str>,
}

impl SourceMap {
    /// The original of a generated place.
    pub fn original(&self, line: u32, column: u32) -> Option<Original<'_>> {
        let at = self.mappings.partition_point(|m| (m.line, m.column) <= (line, column)).checked_sub(1)?;
        let m = self.mappings.get(at).filter(|m| m.line == line)?;
        // A class or function is named where its name or its body begins, which is the next mapping as often as this one.
        let next = self.mappings.get(at + 1).filter(|n| n.line == line && n.source == m.source && n.original_line == m.original_line);
        let name = m.name.or_else(|| next.and_then(|n| n.name)).and_then(|n| self.names.get(n as usize));
        Some(Original {
            source: self.sources.get(m.source as usize)?,
            line: m.original_line,
            column: m.original_column,
            name: name.map(String::as_str),
            text: self.texts.get(m.source as usize).and_then(|t| t.as_deref()),
        })
    }

    /// Whether the map is of the script at this path.
    pub fn is_of(&self, path: &str) -> bool {
        path.rsplit(['/', '\\']).next() == Some(self.generated.as_str())
    }
}
