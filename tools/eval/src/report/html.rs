//! The page around the plots, and tables.

use crate::faces::ModelFacts;
use crate::maths::interval::Interval;

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
    out
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;margin:1rem 0}th,td{border-bottom:1px solid #ddd;padding:.3rem .8rem;text-align:right}\
th:first-child,td:first-child{text-align:left}caption{text-align:left;font-weight:600;padding:.3rem 0}\
svg{max-width:100%;height:auto}svg text{font:13px ui-monospace,monospace;fill:#222}h2{margin-top:2rem}\
figure{display:inline-block;margin:0 1rem 1rem 0}figure img{max-width:100%}";

/// A whole page; `body` is HTML already. The notes follow it.
pub(super) fn page(title: &str, body: &str, notes: &[String]) -> String {
    // No script and nothing from elsewhere, whatever gets into a name.
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head>\n\
         <body><h1>{0}</h1>\n{body}<h2>Notes</h2>\n{1}</body></html>\n",
        escape(title),
        list(notes)
    )
}

/// A table; cells are text.
pub(super) fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let row = |cells: &mut dyn Iterator<Item = String>, tag: &str| {
        let cells: String = cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(&cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let head = row(&mut head.iter().map(|cell| (*cell).to_owned()), "th");
    let rows: String = rows.iter().map(|cells| row(&mut cells.iter().cloned(), "td")).collect();
    format!("<table><caption>{}</caption>{head}{rows}</table>\n", escape(caption))
}

pub(super) fn models(models: &[ModelFacts]) -> String {
    let row = |m: &ModelFacts| vec![m.name.clone(), m.version.clone(), m.task.clone(), m.sha256.clone()];
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    table("Models", &["name", "version", "task", "SHA-256"], &rows)
}

pub(super) fn list(items: &[String]) -> String {
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect();
    format!("<ul>{items}</ul>\n")
}

pub(super) fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}

pub(super) fn percent(rate: Option<f64>) -> String {
    or_dash(rate.map(|rate| format!("{} %", digits(100.0 * rate))))
}

pub(super) fn range(interval: Option<Interval>) -> String {
    or_dash(interval.map(|Interval { low, high }| format!("{} – {} %", digits(100.0 * low), digits(100.0 * high))))
}

/// Three digits of small numbers, two decimals of others.
fn digits(value: f64) -> String {
    if value == 0.0 || value >= 1.0 {
        return format!("{value:.2}");
    }
    let places = (2.0 - value.log10().floor()).clamp(2.0, 9.0) as usize;
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_cell() {
        let html = table("<set>", &["a"], &[vec!["<script>\"&".to_owned()]]);
        assert!(html.contains("<td>&lt;script&gt;&quot;&amp;</td>") && html.contains("&lt;set&gt;"), "{html}");
        assert!(page("</title>", "", &[]).contains("<title>&lt;/title&gt;</title>"));
    }

    #[test]
    fn rates_are_readable() {
        let shown = [0.0, 0.00347, 0.0000123, 0.5, 1.0].map(|rate| percent(Some(rate)));
        assert_eq!(shown, ["0.00 %", "0.347 %", "0.00123 %", "50.00 %", "100.00 %"]);
        assert_eq!(percent(None), "–");
        assert_eq!(range(Some(Interval { low: 0.0, high: 0.01 })), "0.00 – 1.00 %");
    }
}
