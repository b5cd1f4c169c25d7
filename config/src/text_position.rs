//! Byte offsets as the lines and columns that an editor shows.

/// A place in a text. Both numbers count from 1, the column in characters (Unicode scalar values).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Lines<'t> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    /// The number of lines, at least 1.
    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }

    /// The position of a byte. The last column of a line is one past its last character.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let before = offset.min(start + self.raw_line(line).len());
        let column = without_mark(&self.text[start..before]).chars().count() + 1;
        Position { line, column }
    }

    /// A line without its line end, by its number from 1; empty if there is no such line.
    pub(crate) fn line(&self, number: usize) -> &'t str {
        without_mark(self.raw_line(number))
    }

    fn raw_line(&self, number: usize) -> &'t str {
        let Some(start) = number.checked_sub(1).and_then(|index| self.starts.get(index)) else { return "" };
        let end = self.starts.get(number).map_or(self.text.len(), |next| next - 1);
        let line = &self.text[*start..end];
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// The text before a line; the whole text if there is no such line.
    pub(crate) fn before(&self, number: usize) -> &'t str {
        let end = number.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(self.text.len());
        &self.text[..end]
    }
}

/// A line without its byte order mark, which editors do not show.
fn without_mark(line: &str) -> &str {
    line.strip_prefix('\u{feff}').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::{Lines, Position};

    #[test]
    fn columns_count_characters_and_no_line_ends() {
        let text = "ab\r\n门口 = 1\n\n";
        let lines = Lines::new(text);
        for (offset, line, column) in [
            (0, 1, 1),
            (2, 1, 3),
            (3, 1, 3),
            (4, 2, 1),
            (5, 2, 1),
            (7, 2, 2),
            (text.find('=').unwrap(), 2, 4),
            (text.len() - 1, 3, 1),
            (text.len(), 4, 1),
            (999, 4, 1),
        ] {
            assert_eq!(lines.position(offset), Position { line, column }, "offset {offset}");
        }
        assert_eq!((lines.line(1), lines.line(2), lines.line(4), lines.line(5)), ("ab", "门口 = 1", "", ""));
        assert_eq!(Lines::new("\u{feff}x = 1").position(3), Position { line: 1, column: 1 });
        assert_eq!(Lines::new("").position(0), Position { line: 1, column: 1 });
    }
}
