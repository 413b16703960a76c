//! Text from outside, made harmless for where it is written.

use std::borrow::Cow;

/// The text without C0, DEL, C1 and bidirectional overrides, except newline and tab (CVE-2024-52005, CVE-2021-42574), and
/// without credentials in addresses.
pub fn clean(text: &str) -> String {
    let forged = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text: Cow<'_, str> =
        if text.contains(forged) { text.chars().filter(|&c| !forged(c)).collect() } else { text.into() };
    let mut shown = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        let authority = &after[..end];
        rest = match authority.rfind('@') {
            // `ssh://git@host` names a user and no secret.
            Some(at) if !before.ends_with("ssh://") || authority[..at].contains(':') => {
                shown.push_str("***");
                &after[at..]
            }
            _ => after,
        };
    }
    shown + rest
}

/// Text from outside on one line: cleaned, white space as single spaces, cut after so many characters.
pub fn plain(text: &str, most: usize) -> String {
    // Cut first: a text may be megabytes long.
    let head: String = text.chars().take(4 * most).collect();
    let line = clean(&head).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// For HTML and SVG, between tags and inside quoted attributes.
pub fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

/// For HTML, where what stands in backticks becomes code.
pub fn html_with_code(text: &str) -> String {
    let parts: Vec<_> = text.split('`').map(html).collect();
    let (closed, rest) = parts.split_at(if parts.len() % 2 == 1 { parts.len() } else { parts.len() - 1 });
    let closed = closed.iter().enumerate();
    let closed = closed.map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.clone() });
    closed.chain(rest.iter().map(|part| format!("`{part}"))).collect()
}

/// For one cell of a Markdown table: as code, every sign that Markdown or HTML could know as a number.
pub fn markdown(text: &str) -> String {
    let mut safe = String::from("<code>");
    for c in clean(text).chars() {
        match c {
            '\n' | '\t' => safe.push(' '),
            c if c.is_ascii_punctuation() => safe.push_str(&format!("&#{};", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_has_no_tag_attribute_or_entity_of_the_text() {
        assert_eq!(html("<a b='c' d=\"e\">&amp;\u{1b}[2K"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;amp;[2K");
    }

    #[test]
    fn backticks_become_code() {
        assert_eq!(html_with_code("run `a<b` or `c`"), "run <code>a&lt;b</code> or <code>c</code>");
        assert_eq!(html_with_code("`a` and `b"), "<code>a</code> and `b");
        assert_eq!(html_with_code(""), "");
    }

    #[test]
    fn markdown_has_no_sign_of_the_text() {
        assert_eq!(markdown("a|`b`\n<c>"), "<code>a&#124;&#96;b&#96; &#60;c&#62;</code>");
    }

    #[test]
    fn control_sequences_become_inert() {
        assert_eq!(clean("a\u{1b}[2K\r\u{9b}31m\u{202e}\u{200f}b\u{2028}\tc\n"), "a[2K31mb\tc\n");
    }

    #[test]
    fn a_line_from_outside_stays_one_line() {
        assert_eq!(plain(" a\n\u{1b}[2Kb\t c ", 9), "a [2Kb c");
        assert_eq!(plain("abcdef", 3), "abc…");
    }

    #[test]
    fn credentials_in_addresses_are_masked() {
        assert_eq!(clean("at 'https://x:y@h/n' and ssh://git@h/n"), "at 'https://***@h/n' and ssh://git@h/n");
        assert_eq!(clean("ssh://u:p@h https://token@h"), "ssh://***@h https://***@h");
        assert_eq!(clean("https://h/a@b ://"), "https://h/a@b ://");
    }
}
