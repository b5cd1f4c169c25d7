use gatehouse_config::Site;
use std::path::Path;
fn main() {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("deletions") => {
            let full = include_str!("site.toml");
            let mut spurious = 0;
            let mut total = 0;
            for (at, c) in full.char_indices() {
                let text = format!("{}{}", &full[..at], &full[at + c.len_utf8()..]);
                let line = full[..at].matches('\n').count() + 1;
                if let Err(errors) = Site::parse(&text, Path::new("site.toml")) {
                    if errors.iter().any(|e| e.path.is_empty()) {
                        total += 1;
                        for e in errors.iter().filter(|e| e.line != line) {
                            spurious += 1;
                            println!("deleted {c:?} at {line}: {e}\n");
                        }
                    }
                }
            }
            println!("{spurious} spurious in {total}");
        }
        Some(file) => match Site::load(Path::new(file)) {
            Ok(s) => println!("{s:#?}"),
            Err(e) => println!("{e}"),
        },
        None => {}
    }
}
