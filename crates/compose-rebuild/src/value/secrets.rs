//! Names and addresses that give a secret away.

use std::ffi::OsStr;

/// The variable with a token for private repositories, followed by `.HOST` one for that host; a build gets it as the secret
/// of this name.
pub const TOKEN: &str = "GIT_AUTH_TOKEN";

/// Whether a variable holds such a token.
pub fn is_token(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name == TOKEN || name.strip_prefix(TOKEN).is_some_and(|host| host.starts_with('.')))
}

/// Whether a variable of this name holds a secret, as far as a name can tell.
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).collect();
    // What points to a secret, or is meant to be seen, is none.
    let harmless = ["PUBLIC", "CACHE", "FILE", "PATH", "DIR", "URL", "ID", "NAME", "SERVER", "KEYSERVER", "PRIMARY"];
    if words.iter().any(|word| harmless.contains(word)) {
        return false;
    }
    let endings = ["TOKEN", "PASSWORD", "PASSWD", "SECRET", "PASSPHRASE", "CREDENTIALS", "APIKEY"];
    words.iter().any(|word| endings.iter().any(|ending| word.ends_with(ending)))
        || (words.len() > 1 && words.last() == Some(&"KEY"))
}

/// Whether a text has an address with a user and password, or a token, in it.
pub fn has_credential(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let scheme = rest[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        rest = &rest[at + 3..];
        let end = rest.find(|c: char| c == '/' || c == '?' || c == '#' || c.is_whitespace() || c == '"' || c == '\'');
        let authority = &rest[..end.unwrap_or(rest.len())];
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        // A token is a user of a web server; a password that is the user's own name is one of an example.
        let is_token = scheme.starts_with("http") && !matches!(name, "" | "git");
        let is_secret = if password.is_empty() { is_token } else { password != name };
        if is_secret {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for secret in ["HF_TOKEN", "GITHUBTOKEN", "DB_PASSWORD", "API_KEY", "npm_token", "AWS_SECRET_ACCESS_KEY"] {
            assert!(is_secret_name(secret), "{secret}");
        }
        for plain in
            ["CACHE_BUST", "GITHUB_REPO", "KEYBOARD", "MAX_TOKENS", "TOKENIZER", "PUBLIC_KEY", "TOKEN_FILE", "KEY"]
        {
            assert!(!is_secret_name(plain), "{plain}");
        }
    }

    #[test]
    fn addresses_with_credentials() {
        for secret in [
            "https://u:p@h/x",
            "x https://${TOKEN}@h/x y",
            "ssh://u:p@h",
            "redis://:p@h",
            "https://a b https://t@h",
            "https://t:@h",
        ] {
            assert!(has_credential(secret), "{secret}");
        }
        for plain in [
            "https://h/a@b",
            "https://git@h/a",
            "ssh://git@h/x",
            "git@h:x",
            "mysql://root@h postgres://u:@h amqp://guest:guest@h",
            "https://h",
            "a@b",
            "://",
            "https://h?x=a@b",
        ] {
            assert!(!has_credential(plain), "{plain}");
        }
    }
}
