//! A row of the table of keys.

/// A key of the configuration. The entries of a list share one path.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `trust_domains.bundle.url`
    pub path: &'static str,
    /// The form of the value; for a list, of each entry.
    pub form: &'static str,
    /// A value, in TOML: for a list, one entry.
    pub example: &'static str,
    /// For a number: what is counted.
    pub unit: Option<&'static str>,
    /// A list of such values.
    pub is_list: bool,
    /// False: it takes effect at the next start. For keys below `server.tls` and `admin.tls`, a reload reads the files; a
    /// section that is added or removed takes effect at the next start, which the reload reports.
    pub is_taken_by_reload: bool,
    /// It may contain a secret: its value is never shown.
    pub is_secret: bool,
}

impl Key {
    /// An example of the whole value.
    pub fn example(&self) -> String {
        match self.is_list {
            true => format!("[{}]", self.example),
            false => self.example.to_owned(),
        }
    }

    pub(super) const fn list(self) -> Key {
        Key {
            is_list: true,
            ..self
        }
    }

    pub(super) const fn at_start(self) -> Key {
        Key {
            is_taken_by_reload: false,
            ..self
        }
    }

    pub(super) const fn secret(self) -> Key {
        Key {
            is_secret: true,
            ..self
        }
    }
}

pub(super) const fn key(path: &'static str, form: &'static str, example: &'static str) -> Key {
    Key {
        path,
        form,
        example,
        unit: None,
        is_list: false,
        is_taken_by_reload: true,
        is_secret: false,
    }
}

pub(super) const fn count(path: &'static str, unit: &'static str, example: &'static str) -> Key {
    Key {
        unit: Some(unit),
        ..key(path, COUNT, example)
    }
}

const COUNT: &str = "a number of 1 or more";
