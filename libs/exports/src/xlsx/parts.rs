//! The parts of the archive that are not rows: contents, relations, styles, and the two sheets about the file.

use super::SheetPart;
use super::cells::{FIXED_STYLES, RowText, Style, push_escaped};
use crate::SCALE_MAX;
use std::fmt::Write;

/// Sheets that every workbook has, before and after its tables.
pub(super) const OWN_SHEETS: [&str; 2] = ["Summary", "Parameters"];

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const SHEET_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

pub(super) const ROOT_RELATIONS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
    <Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
    <Relationship Id=\"rId1\" \
    Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
    Target=\"xl/workbook.xml\"/></Relationships>";

/// Formats of our own are numbered from here.
const OWN_FORMATS_FROM: u8 = 164;
/// The number of the built-in format "text".
const TEXT_FORMAT: u8 = 49;

pub(super) fn sheet_path(number: usize) -> String {
    format!("xl/worksheets/sheet{number}.xml")
}

pub(super) fn content_types(sheets: usize) -> String {
    let mut xml = format!(
        "{DECLARATION}<Types xmlns=\"{PACKAGE}/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/xl/workbook.xml\" ContentType=\"{SHEET_TYPE}.sheet.main+xml\"/>\
         <Override PartName=\"/xl/styles.xml\" ContentType=\"{SHEET_TYPE}.styles+xml\"/>"
    );
    for number in 1..=sheets {
        let path = sheet_path(number);
        // Writing to a string cannot fail, here and below.
        let _ = write!(xml, "<Override PartName=\"/{path}\" ContentType=\"{SHEET_TYPE}.worksheet+xml\"/>");
    }
    xml.push_str("</Types>");
    xml
}

pub(super) fn workbook_relations(sheets: usize) -> String {
    let mut xml = format!("{DECLARATION}<Relationships xmlns=\"{PACKAGE}/relationships\">");
    for number in 1..=sheets {
        let _ = write!(
            xml,
            "<Relationship Id=\"rId{number}\" Type=\"{RELATIONS}/worksheet\" \
             Target=\"worksheets/sheet{number}.xml\"/>"
        );
    }
    let styles = sheets + 1;
    let _ = write!(
        xml,
        "<Relationship Id=\"rId{styles}\" Type=\"{RELATIONS}/styles\" Target=\"styles.xml\"/></Relationships>"
    );
    xml
}

pub(super) fn workbook(tables: &[SheetPart]) -> String {
    let mut xml = format!("{DECLARATION}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><sheets>");
    let [first, last] = OWN_SHEETS;
    let names = [first].into_iter().chain(tables.iter().map(|sheet| sheet.name.as_str())).chain([last]);
    for (number, name) in (1..).zip(names) {
        xml.push_str("<sheet name=\"");
        push_escaped(&mut xml, name);
        let _ = write!(xml, "\" sheetId=\"{number}\" r:id=\"rId{number}\"/>");
    }
    xml.push_str("</sheets>");
    if !tables.is_empty() {
        xml.push_str("<definedNames>");
        for (place, sheet) in (1..).zip(tables) {
            let _ = write!(
                xml,
                "<definedName name=\"_xlnm._FilterDatabase\" localSheetId=\"{place}\" hidden=\"1\">'"
            );
            push_escaped(&mut xml, &sheet.name);
            let _ = write!(xml, "'!{}</definedName>", sheet.filtered);
        }
        xml.push_str("</definedNames>");
    }
    xml.push_str("</workbook>");
    xml
}

/// Everything before the first row: the header stays in sight, columns have widths in characters.
pub(super) fn sheet_opening(widths: &[usize]) -> String {
    let mut xml = format!(
        "{DECLARATION}<worksheet xmlns=\"{MAIN}\"><sheetViews><sheetView workbookViewId=\"0\">\
         <pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>\
         </sheetView></sheetViews><cols>"
    );
    for (number, width) in (1..).zip(widths) {
        let _ = write!(xml, "<col min=\"{number}\" max=\"{number}\" width=\"{width}\" customWidth=\"1\"/>");
    }
    xml.push_str("</cols><sheetData>");
    xml
}

pub(super) fn sheet_closing(filtered: &str) -> String {
    format!("</sheetData><autoFilter ref=\"{filtered}\"/></worksheet>")
}

/// A small sheet of texts.
pub(super) fn text_sheet(rows: &[[String; 3]]) -> String {
    let mut xml = format!(
        "{DECLARATION}<worksheet xmlns=\"{MAIN}\"><cols><col min=\"1\" max=\"3\" width=\"44\" customWidth=\"1\"/>\
         </cols><sheetData>"
    );
    let mut text = RowText::new(3);
    for (number, row) in (1..).zip(rows) {
        text.begin(number);
        for (column, cell) in row.iter().enumerate() {
            let style = match column {
                0 => Style::BoldText,
                _ if crate::csv_table::begins_formula(cell) => Style::QuotedText,
                _ => Style::Text,
            };
            text.text(column, style, cell);
        }
        text.end();
        xml.push_str(&text.xml);
    }
    xml.push_str("</sheetData></worksheet>");
    xml
}

/// How money of a scale is shown: two places, then as many as there are; below zero in red.
fn money_format(scale: u8) -> String {
    let places = match scale {
        0 => String::new(),
        1 => ".0".to_owned(),
        more => format!(".00{}", "#".repeat(usize::from(more) - 2)),
    };
    format!("#,##0{places};[Red]-#,##0{places}")
}

/// The styles, in the order of [`Style::place`].
pub(super) fn styles() -> String {
    let day_format = OWN_FORMATS_FROM + SCALE_MAX + 1;
    let mut formats = String::new();
    for scale in 0..=SCALE_MAX {
        let (number, format) = (OWN_FORMATS_FROM + scale, money_format(scale));
        let _ = write!(formats, "<numFmt numFmtId=\"{number}\" formatCode=\"{format}\"/>");
    }
    let _ = write!(formats, "<numFmt numFmtId=\"{day_format}\" formatCode=\"yyyy\\-mm\\-dd\"/>");
    let count_format = OWN_FORMATS_FROM;
    let right = "applyAlignment=\"1\"><alignment horizontal=\"right\"/></xf>";
    let mut places = vec![
        xf(0, 0, 0, "/>"),
        xf(TEXT_FORMAT, 1, 2, "applyFont=\"1\" applyFill=\"1\"/>"),
        xf(TEXT_FORMAT, 0, 0, "/>"),
        xf(TEXT_FORMAT, 0, 0, "quotePrefix=\"1\"/>"),
        xf(count_format, 0, 0, "/>"),
        xf(day_format, 0, 0, "/>"),
        xf(0, 2, 0, "applyFont=\"1\"/>"),
        xf(TEXT_FORMAT, 0, 0, right),
        xf(TEXT_FORMAT, 1, 0, "applyFont=\"1\"/>"),
        xf(count_format, 1, 0, "applyFont=\"1\"/>"),
        xf(TEXT_FORMAT, 1, 0, &format!("applyFont=\"1\" {right}")),
    ];
    debug_assert_eq!(places.len(), usize::from(FIXED_STYLES), "styles and their places agree");
    for (font, apply) in [(0, "/>"), (1, "applyFont=\"1\"/>")] {
        places.extend((0..=SCALE_MAX).map(|scale| xf(OWN_FORMATS_FROM + scale, font, 0, apply)));
    }
    format!(
        "{DECLARATION}<styleSheet xmlns=\"{MAIN}\"><numFmts count=\"{formats_count}\">{formats}</numFmts>\
         <fonts count=\"3\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font>\
         <font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font>\
         <font><u/><sz val=\"11\"/><color rgb=\"FF0563C1\"/><name val=\"Calibri\"/></font></fonts>\
         <fills count=\"3\"><fill><patternFill patternType=\"none\"/></fill>\
         <fill><patternFill patternType=\"gray125\"/></fill>\
         <fill><patternFill patternType=\"solid\"><fgColor rgb=\"FFE7E6E6\"/><bgColor indexed=\"64\"/>\
         </patternFill></fill></fills>\
         <borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
         <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
         <cellXfs count=\"{places_count}\">{places}</cellXfs>\
         <cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>",
        formats_count = usize::from(SCALE_MAX) + 2,
        places_count = places.len(),
        places = places.concat(),
    )
}

fn xf(format: u8, font: u8, fill: u8, rest: &str) -> String {
    format!(
        "<xf numFmtId=\"{format}\" fontId=\"{font}\" fillId=\"{fill}\" borderId=\"0\" xfId=\"0\" \
         applyNumberFormat=\"1\" {rest}"
    )
}
