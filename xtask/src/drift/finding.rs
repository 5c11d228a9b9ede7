//! What can change in an API, and what each change means for its clients.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// What a change means, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Class {
    /// A strict client that was built before fails to read a response.
    BreaksResponses,
    /// A request that was valid before is refused.
    BreaksRequests,
    /// The wire is safe, but types move and code may no longer compile.
    CodeChange,
    /// New responses promise more than older servers, recordings and compatible servers keep.
    StricterResponse,
    /// A person must decide.
    Review,
    /// Safe.
    Additive,
}

impl Class {
    /// All of them, the gravest first.
    pub(crate) const ALL: [Self; 6] = [
        Self::BreaksResponses,
        Self::BreaksRequests,
        Self::CodeChange,
        Self::StricterResponse,
        Self::Review,
        Self::Additive,
    ];

    /// Its name in a report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::BreaksResponses => "BREAKS RESPONSES",
            Self::BreaksRequests => "BREAKS REQUESTS",
            Self::CodeChange => "CODE CHANGE",
            Self::StricterResponse => "STRICTER RESPONSE",
            Self::Review => "REVIEW",
            Self::Additive => "ADDITIVE",
        }
    }

    /// What it means, in a line.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::BreaksResponses => "a strict client built before fails to read these responses",
            Self::BreaksRequests => "requests that were valid before are refused",
            Self::CodeChange => "safe on the wire, but types move",
            Self::StricterResponse => "older and compatible servers do not keep to it",
            Self::Review => "for a person to judge",
            Self::Additive => "safe",
        }
    }
}

/// Whether a schema is sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    Request,
    Response,
    Both,
}

impl Direction {
    /// Its name in a report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Both => "both",
        }
    }
}

/// What of a schema changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aspect {
    /// A whole operation, or its path.
    Operation,
    /// A field was added or removed.
    Field,
    /// A value became required or optional.
    Required,
    /// A value became nullable, or no longer is.
    Null,
    /// A value of an enum was added or removed.
    Value,
    /// An enum takes any text now, or no longer does.
    Open,
    /// A branch of a union was added or removed.
    Branch,
    /// A value has another type.
    Type,
    /// A component has another name.
    Renamed,
    /// A place refers to another component.
    Reference,
    /// A bound, a format, a default.
    Limit(String),
}

/// How a new type relates to the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Every earlier value is still a value.
    Wider,
    /// Every value was one before.
    Narrower,
    Other,
}

/// One change at its place, on one way through one operation.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) site: String,
    pub(crate) aspect: Aspect,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
    /// In a request and in a response.
    pub(crate) classes: (Class, Class),
    /// How the lenient response types read it, if it comes in a response.
    pub(crate) read_as: Option<&'static str>,
}

impl Change {
    fn at(site: &str, aspect: Aspect, old: Option<&str>, new: Option<&str>, classes: (Class, Class)) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Self { site: site.to_owned(), aspect, old: text(old), new: text(new), classes, read_as: None }
    }

    fn read_as(self, kind: &'static str) -> Self {
        Self { read_as: Some(kind), ..self }
    }

    pub(crate) fn operation(id: &str, old: Option<&str>, new: Option<&str>) -> Self {
        let class = if old.is_none() { Class::Additive } else { Class::BreaksRequests };
        Self::at(id, Aspect::Operation, old, new, (class, class))
    }

    pub(crate) fn field_added(site: &str, required: bool, what: &str) -> Self {
        let classes = match required {
            true => (Class::BreaksRequests, Class::StricterResponse),
            false => (Class::Additive, Class::Additive),
        };
        Self::at(site, Aspect::Field, None, Some(&format!("{}{what}", presence(required))), classes)
    }

    pub(crate) fn field_removed(site: &str, required: bool, what: &str) -> Self {
        let response = if required { Class::BreaksResponses } else { Class::CodeChange };
        let old = format!("{}{what}", presence(required));
        let change = Self::at(site, Aspect::Field, Some(&old), None, (Class::BreaksRequests, response));
        if required { change.read_as("optional") } else { change }
    }

    pub(crate) fn required(site: &str, now: bool) -> Self {
        let name = |required| Some(if required { "required" } else { "optional" });
        let classes = match now {
            true => (Class::BreaksRequests, Class::StricterResponse),
            false => (Class::CodeChange, Class::BreaksResponses),
        };
        let change = Self::at(site, Aspect::Required, name(!now), name(now), classes);
        if now { change } else { change.read_as("optional") }
    }

    pub(crate) fn null(site: &str, now: bool) -> Self {
        let name = |nullable| Some(if nullable { "nullable" } else { "not null" });
        let classes = match now {
            true => (Class::CodeChange, Class::BreaksResponses),
            false => (Class::BreaksRequests, Class::StricterResponse),
        };
        let change = Self::at(site, Aspect::Null, name(!now), name(now), classes);
        if now { change.read_as("optional") } else { change }
    }

    pub(crate) fn value_added(site: &str, value: &str, open: bool) -> Self {
        let response = if open { Class::Additive } else { Class::BreaksResponses };
        let change = Self::at(site, Aspect::Value, None, Some(value), (Class::Additive, response));
        if open { change } else { change.read_as("Other") }
    }

    pub(crate) fn value_removed(site: &str, value: &str, open: bool) -> Self {
        let classes = match open {
            true => (Class::Review, Class::Review),
            false => (Class::BreaksRequests, Class::CodeChange),
        };
        Self::at(site, Aspect::Value, Some(value), None, classes)
    }

    pub(crate) fn opened(site: &str, now: bool) -> Self {
        let name = |open| Some(if open { "any text" } else { "listed values only" });
        let classes = match now {
            true => (Class::CodeChange, Class::BreaksResponses),
            false => (Class::BreaksRequests, Class::CodeChange),
        };
        let change = Self::at(site, Aspect::Open, name(!now), name(now), classes);
        if now { change.read_as("Other") } else { change }
    }

    /// `union` is whether there were several branches before, `object` whether the new one is an object.
    pub(crate) fn branch_added(site: &str, branch: &str, union: bool, object: bool) -> Self {
        let request = if union { Class::Additive } else { Class::CodeChange };
        let classes = (request, Class::BreaksResponses);
        let change = Self::at(site, Aspect::Branch, None, Some(branch), classes);
        if union && object { change.read_as("Unknown") } else { change }
    }

    pub(crate) fn branch_removed(site: &str, branch: &str) -> Self {
        Self::at(site, Aspect::Branch, Some(branch), None, (Class::BreaksRequests, Class::CodeChange))
    }

    pub(crate) fn retyped(site: &str, old: &str, new: &str, fit: Fit) -> Self {
        let classes = match fit {
            Fit::Wider => (Class::CodeChange, Class::BreaksResponses),
            Fit::Narrower => (Class::BreaksRequests, Class::CodeChange),
            Fit::Other => (Class::BreaksRequests, Class::BreaksResponses),
        };
        Self::at(site, Aspect::Type, Some(old), Some(new), classes)
    }

    pub(crate) fn renamed(site: &str, old: &str, new: &str) -> Self {
        Self::at(site, Aspect::Renamed, Some(old), Some(new), (Class::CodeChange, Class::CodeChange))
    }

    pub(crate) fn reference(site: &str, old: &str, new: &str) -> Self {
        Self::at(site, Aspect::Reference, Some(old), Some(new), (Class::CodeChange, Class::CodeChange))
    }

    pub(crate) fn limit(site: &str, key: &str, old: Option<&str>, new: Option<&str>) -> Self {
        Self::at(site, Aspect::Limit(key.to_owned()), old, new, (Class::Review, Class::Review))
    }
}

fn presence(required: bool) -> &'static str {
    if required { "required " } else { "optional " }
}

/// One change of the closure, with its consequences.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    pub(crate) direction: Direction,
    pub(crate) site: String,
    pub(crate) aspect: Aspect,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
    pub(crate) operations: BTreeSet<String>,
    /// The component that declares the field, if it comes from a part of `allOf`.
    pub(crate) declared_in: Option<String>,
    /// How the crate's lenient response types read it without harm.
    pub(crate) read_as: Option<&'static str>,
    /// The generated types that it concerns, as far as the adapter names them, and the files that do.
    pub(crate) touches: BTreeMap<String, BTreeSet<String>>,
}

impl Finding {
    /// What happened, in a few words.
    pub(crate) fn what(&self) -> String {
        let old = self.old.as_deref().unwrap_or_default();
        let new = self.new.as_deref().unwrap_or_default();
        let one = if self.old.is_some() { old } else { new };
        let moved = match (&self.old, &self.new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "",
        };
        match &self.aspect {
            Aspect::Operation if moved.is_empty() => format!("moved: {old} -> {new}"),
            Aspect::Operation => format!("operation {moved}: {one}"),
            Aspect::Field => format!("{moved}: {one}"),
            Aspect::Value => format!("value {moved}: {one}"),
            Aspect::Branch => format!("branch {moved}: {one}"),
            Aspect::Required | Aspect::Null | Aspect::Open => format!("{old} -> {new}"),
            Aspect::Type => format!("type: {old} -> {new}"),
            Aspect::Renamed => format!("type renamed: {old} -> {new}"),
            Aspect::Reference => format!("refers to: {old} -> {new}"),
            Aspect::Limit(key) if moved.is_empty() => format!("{key}: {old} -> {new}"),
            Aspect::Limit(key) => format!("{key} {moved}: {one}"),
        }
    }
}
