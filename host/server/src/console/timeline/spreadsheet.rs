//! Files of separated values that people open in a spreadsheet.
//!
//! What other people wrote must not become a formula there. A spreadsheet may take another separator than the file's, and
//! then a cell begins in the middle of a field, quoted or not. So an apostrophe goes wherever a cell could begin with a
//! formula, which spreadsheets take as the mark of a text.

use std::borrow::Cow;

use csv::{QuoteStyle, WriterBuilder};

/// What a formula begins with, and the wide forms of it, which some spreadsheets take for the same.
const BEGINNINGS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// What a spreadsheet may end a cell at, beside line breaks.
const SEPARATORS: [char; 6] = [',', ';', '\t', '|', ':', ' '];

/// Rows of fields, each in quotes.
///
/// # Errors
/// The rows are not equally long.
pub(super) fn rows<'a, R>(rows: impl IntoIterator<Item = R>) -> Result<Vec<u8>, String>
where
    R: IntoIterator<Item = Cow<'a, str>>,
{
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::Always)
        .from_writer(Vec::new());
    for row in rows {
        let fields = row.into_iter().map(|field| text(field).into_owned());
        writer
            .write_record(fields)
            .map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

/// The text with an apostrophe before whatever could be taken for a formula.
fn text(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(BEGINNINGS) {
        return text;
    }
    let mut guarded = String::with_capacity(text.len() + 8);
    // Where a cell could begin: at the beginning, and behind each separator. And whether it is one of those for which
    // the space before is no separator but the rest of the cell's beginning.
    let mut cell = Some((0, true));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some((at, is_certain)) = cell
            && BEGINNINGS.contains(&character)
            // As in “design - draft”.
            && (is_certain || characters.peek() != Some(&' '))
        {
            // Before what a spreadsheet may leave out at the beginning of a cell.
            guarded.insert(at, '\'');
        }
        guarded.push(character);
        if character == ' ' {
            cell = Some((
                guarded.len(),
                cell.is_some_and(|(_, is_certain)| is_certain),
            ));
        } else if ends_a_cell(character) {
            cell = Some((guarded.len(), true));
        } else if !may_be_left_out(character) {
            cell = None;
        }
    }
    guarded.into()
}

fn ends_a_cell(character: char) -> bool {
    SEPARATORS.contains(&character)
        || character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Quotes, spaces and what is not seen.
fn may_be_left_out(character: char) -> bool {
    character == '"'
        || character.is_whitespace()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guarded(field: &str) -> String {
        text(field.into()).into_owned()
    }

    #[test]
    fn nothing_becomes_a_formula_whatever_separates() {
        for (field, expected) in [
            ("=1", "'=1"),
            ("lunch;=cmd|' /C calc'!A0", "lunch;'=cmd|' /C calc'!A0"),
            ("a,+1", "a,'+1"),
            ("a\t@SUM(A1)", "a\t'@SUM(A1)"),
            ("a|-1", "a|'-1"),
            ("a\n=1", "a\n'=1"),
            ("a\r\n =1", "a\r\n '=1"),
            ("\t=1", "\t'=1"),
            ("  =1", "  '=1"),
            ("\u{a0}\u{feff}=1", "'\u{a0}\u{feff}=1"),
            ("a;\"=1\"", "a;'\"=1\""),
            ("＝1", "'＝1"),
            ("x;＠SUM", "x;'＠SUM"),
            ("call @anna", "call '@anna"),
            ("- 1+cmd|' /C calc'!A0", "'- 1+cmd|' /C calc'!A0"),
            ("a; - 1+2", "a; '- 1+2"),
        ] {
            assert_eq!(guarded(field), expected, "{field:?}");
        }
    }

    #[test]
    fn what_is_no_formula_stays_as_it_is() {
        for field in [
            "",
            "5400",
            "1:30",
            "2026-03-29T03:00:00+02:00",
            "e-mail, follow-up (a=b)",
            "Design - draft",
            "c:17",
            "https://example.com/?a=b",
        ] {
            assert_eq!(guarded(field), field);
        }
    }

    #[test]
    fn every_field_is_quoted() {
        let bytes = rows([["a", "b\"c", "5"].map(Cow::from)]).unwrap();
        assert_eq!(bytes, b"\"a\",\"b\"\"c\",\"5\"\n");
    }

    proptest! {
        #[test]
        fn no_cell_begins_with_a_formula_whatever_separates(
            fields in prop::collection::vec("[a=+@＝－,;\t|: \"'\r\n\u{a0}\u{feff}-]{0,12}", 1..5)
        ) {
            let bytes = rows([fields.iter().map(|field| Cow::from(field.as_str()))]).unwrap();
            let file = String::from_utf8(bytes.clone()).unwrap();
            for separator in [',', ';', '\t', '|', ':', ' '] {
                // As a spreadsheet that knows quotes, and as one that does not.
                let mut reader = csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .delimiter(separator as u8)
                    .from_reader(bytes.as_slice());
                let cells = reader.records().flat_map(|record| {
                    record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()
                });
                let naive = file.split([separator, '\r', '\n']).map(str::to_owned);
                for cell in cells.chain(naive) {
                    let shown = cell.trim_start_matches(may_be_left_out);
                    let stands_alone =
                        separator == ' ' && shown.trim_end_matches('"').chars().count() == 1;
                    let is_formula = shown.starts_with(BEGINNINGS) && !stands_alone;
                    prop_assert!(!is_formula, "{cell:?} in {file:?}, separated by {separator:?}");
                }
            }
        }
    }
}
