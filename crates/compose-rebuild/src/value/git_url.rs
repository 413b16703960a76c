//! Addresses of Git repositories.

use super::show::{redact, show};
use crate::error::{CONFIGURATION, Failure};

text!(
    /// The address of a Git repository over one of the allowed transports.
    GitUrl
);

impl GitUrl {
    /// Checks an address: `https`, `ssh` (also as `user@host:path`), `git`, `http` on this machine's loopback, and
    /// whatever `also` names.
    ///
    /// # Errors
    /// Exit code 2 for another transport, a credential in the address, or characters that are not in plain addresses.
    pub fn parse(text: &str, also: &[String]) -> Result<Self, Failure> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~:/@%+=,-[]".contains(&b);
        if text.is_empty() || text.len() > 1024 || text.starts_with('-') || !text.bytes().all(plain) {
            return Err(Failure::usage(format!("{} is not a repository address", show(&redact(text))))
                .hint("use an address such as `https://host/owner/name.git`, without spaces or shell characters"));
        }
        let (transport, rest) = match text.split_once("://") {
            Some((transport, rest)) => (transport, rest),
            None if text.contains("::") || text.contains("//") => ("remote helper", text),
            None if text.starts_with(['/', '.']) => ("file", text),
            // `host:path`, where the host may be an alias of the user's SSH configuration; one letter is a drive.
            None if text.find([':', '/']).is_some_and(|at| at > 1 && text[at..].starts_with(':')) => ("ssh", text),
            None => ("file", text),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let userinfo = authority.rsplit_once('@').map(|(userinfo, _)| userinfo);
        let host = authority.rsplit('@').next().unwrap_or_default();
        let loopback = ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .any(|name| host.strip_prefix(name).is_some_and(|port| port.is_empty() || port.starts_with(':')));
        let allowed = matches!(transport, "https" | "ssh" | "git")
            || (transport == "http" && loopback)
            || also.iter().any(|name| name == transport);
        if !allowed {
            return Err(Failure::usage(format!("protocol `{transport}` is not allowed for {}", show(&redact(text))))
                .hint(format!("use https, ssh or git, or list the protocol in `transports` of {CONFIGURATION}")));
        }
        let secret = match transport {
            "ssh" => userinfo.is_some_and(|user| user.contains(':')),
            // A login that everybody uses is none.
            _ => userinfo.is_some_and(|user| user != "git"),
        };
        if secret {
            return Err(Failure::usage(format!("`{}` carries a credential", redact(text)))
                .hint("leave it out; git asks your credential helper, the build takes a BuildKit secret"));
        }
        // A login such as `-x@host` would be an option of ssh, and git decodes `%2d`.
        let is_option = |text: &str| text.starts_with(['-', '%']);
        if transport != "file" && (host.is_empty() || is_option(host) || is_option(authority)) {
            return Err(Failure::usage(format!("{} names no host", show(text))).hint("check the repository address"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether a text can be meant as an address; `owner/name` is part of one.
    pub fn is_meant(text: &str) -> bool {
        text.contains(':') || text.starts_with(['/', '.'])
    }

    /// Whether it is reached over SSH, also in the form `user@host:path`.
    pub fn is_ssh(&self) -> bool {
        self.0.starts_with("ssh://") || !self.0.contains("://")
    }

    /// The host with its port, if the address is one with `://`.
    pub fn host(&self) -> Option<&str> {
        let authority = self.0.split_once("://")?.1.split('/').next()?;
        authority.rsplit('@').next().filter(|host| !host.is_empty())
    }

    /// The last part of the path, for people.
    pub fn name(&self) -> &str {
        self.0.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_an_allowed_transport_and_no_credential() {
        let ok = |text: &str| GitUrl::parse(text, &[]).is_ok();
        for good in [
            "https://h/o/n.git",
            "ssh://git@h/n",
            "git@h:o/n.git",
            "work:o/n.git",
            "https://git@h/n",
            "git://h:1/n",
            "http://127.0.0.1:8/n",
        ] {
            assert!(ok(good), "{good}");
        }
        for bad in [
            "ext::sh -c id",
            "ext::id",
            "file:///x",
            "/x",
            "../x",
            "x",
            "http://h/n",
            "http://127.0.0.1.evil/n",
            "--upload-pack=x",
            "https://user:pass@h/n",
            "https://token@h/n",
            "ssh://u:p@h/n",
            "ssh://-oProxyCommand=x/n",
            "ssh://-oProxyCommand=x@h/n",
            "ssh://%2doProxyCommand=x/n",
            "git@-oProxyCommand=x:n",
            "-oProxyCommand=x:n",
            "C:/x",
            "C:x",
            "a/b:c",
            "git://-x/n",
            "https://h/$(id)",
        ] {
            assert!(!ok(bad), "{bad}");
        }
        assert!(GitUrl::parse("/x", &["file".to_owned()]).is_ok());
    }

    #[test]
    fn a_host_has_its_port_and_no_user() {
        let host = |text: &str| GitUrl::parse(text, &[]).expect("valid").host().map(str::to_owned);
        assert_eq!(host("https://h:8/o/n").as_deref(), Some("h:8"));
        assert_eq!(host("https://git@h/n").as_deref(), Some("h"));
        assert_eq!(host("git@h:o/n"), None);
        assert!(GitUrl::parse("work:o/n", &[]).expect("valid").is_ssh());
    }

    #[test]
    fn a_refused_credential_is_not_shown() {
        let error = GitUrl::parse("https://user:canary@h/n", &[]).expect_err("refused").to_string();
        assert!(!error.contains("canary"), "{error}");
        let error = GitUrl::parse("https://user:canary secret@h/n", &[]).expect_err("refused").to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
