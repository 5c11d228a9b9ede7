//! The `with_*` methods of structs with public fields.

/// Writes the `with_*` methods of fields that are not optional, one row a field.
macro_rules! setters {
    ($($method:ident($field:ident: $type:ty);)*) => {$(
        #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $method(mut self, $field: $type) -> Self {
            self.$field = $field.into();
            self
        }
    )*};
}

/// Writes the `with_*` methods of optional fields, one row a field.
macro_rules! optional_setters {
    ($($method:ident($field:ident: $type:ty);)*) => {$(
        #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $method(mut self, $field: $type) -> Self {
            self.$field = Some($field.into());
            self
        }
    )*};
}

pub(crate) use {optional_setters, setters};
