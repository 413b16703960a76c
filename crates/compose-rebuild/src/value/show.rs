//! Values as people may read them.

/// An address of any kind without what may be a credential in it: user information, query and fragment.
pub fn redact(text: &str) -> String {
    let text = match text.find(['?', '#']) {
        Some(at) if text.contains("://") => &text[..at],
        _ => text,
    };
    let start = text.find("://").map_or(0, |at| at + 3);
    match text.rfind('@') {
        Some(at) if at >= start && &text[start..at] != "git" => format!("{}***{}", &text[..start], &text[at..]),
        _ => text.to_owned(),
    }
}

/// A rejected value as an error may show it: escaped, in backticks, cut after 60 characters.
pub fn show(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 {
        shown.push('…');
    }
    format!("`{shown}`")
}
