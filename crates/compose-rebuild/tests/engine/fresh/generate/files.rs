//! Files of the main context, and what they are beside text.

use super::{Recipe, Stage};
use crate::fresh::draft::KIND;

impl Recipe<'_> {
    /// A file or directory of the main context.
    pub(super) fn local_file(&mut self, stage: &mut Stage) -> String {
        let id = self.draft.number();
        if self.repository.is_some() {
            return format!("COPY README.md /readme-{id}\n");
        }
        stage.unknowable = true;
        let directory = format!("local-{id}");
        let word = self.draft.word("file that is copied");
        self.draft.file(format!("{directory}/one"), format!("{word}\n"));
        let other = self.draft.word("file beside what is copied");
        self.draft.file(format!("{directory}/two"), format!("{other}\n"));
        let ignored = self.draft.added(".dockerignore", format!("{directory}/two\n"));
        self.ignored += &ignored;
        let flag = self.flag();
        match self.random.below(6) {
            0 => format!("COPY {flag}{directory}/one /{directory}\n"),
            1 => format!("ADD {flag}{directory}/on* /{directory}/\n"),
            _ => {
                self.oddity(&directory);
                format!("COPY {flag}{directory}/ /{directory}/\n")
            }
        }
    }

    /// A flag of `COPY` and `ADD`, most times none.
    pub(super) fn flag(&mut self) -> String {
        let flag = match self.random.below(12) {
            0 => "--chmod=700 ",
            1 => "--chown=1:2 ",
            2 => "--link ",
            3 => "--exclude=two ",
            _ => return String::new(),
        };
        self.draft.added("flag of COPY", flag)
    }

    /// Something in a directory that is more than the text of a file.
    fn oddity(&mut self, directory: &str) {
        let (file, text) = match self.random.below(9) {
            0 => ("link".to_owned(), format!("{KIND}link:{}", self.draft.place("target of a link", "one", "two"))),
            1 => {
                self.draft.file(format!("{directory}/sub/file"), "sub\n");
                self.draft.file(format!("{directory}/more/file"), "more\n");
                ("way".to_owned(), format!("{KIND}link:{}", self.draft.place("target of a link", "sub", "more")))
            }
            2 => ("tool".to_owned(), self.draft.added("executable bit", format!("{KIND}executable:")) + "run\n"),
            3 => (self.draft.word("name of a file"), "text\n".to_owned()),
            4 => (format!("empty{}", self.draft.added("empty directory", "x")), format!("{KIND}directory:")),
            5 => ("lines".to_owned(), self.draft.added("line ends of a file", format!("{KIND}crlf:")) + "one\ntwo\n"),
            6 => ("old".to_owned(), self.draft.added("=time of a file", format!("{KIND}old:")) + "text\n"),
            7 => {
                let again = self.draft.added("negation in .dockerignore", format!("!{directory}/keep.log\n"));
                self.ignored += &format!("{directory}/*.log\n{again}");
                ("keep.log".to_owned(), "text\n".to_owned())
            }
            _ => {
                self.ignored += &format!("{directory}/secret\n");
                ("secret".to_owned(), self.draft.word("=file that is ignored"))
            }
        };
        self.draft.file(format!("{directory}/{file}"), text);
    }
}
