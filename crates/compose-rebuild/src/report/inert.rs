//! Text from outside, made harmless for where it is written.

use crate::ui::clean;

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
    fn markdown_has_no_sign_of_the_text() {
        assert_eq!(markdown("a|`b`\n<c>"), "<code>a&#124;&#96;b&#96; &#60;c&#62;</code>");
    }
}
