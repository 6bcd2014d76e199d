//! Moments between two looks at a file, at which a test may change what is there; a product has nobody who listens.

/// A moment at which a test may do something to what is being read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A directory was found in a listing, and is not open yet.
    BeforeEnter,
    /// Its name is known, and it is not open yet.
    BeforeOpen,
    /// It is open and looked at, and nothing has been read.
    BeforeRead,
    /// It has been read, and not been looked at again.
    AfterRead,
    /// An exported file is about to be made; its directory is open.
    BeforeCreate,
    /// An exported file is made and open, and holds nothing yet.
    AfterCreate,
    /// An exported directory has everything in it, and is about to get its own mode.
    BeforeFinish,
}

/// What a test does at such moments; the name is the last component.
pub(super) struct Hook<'a>(pub(super) Option<&'a HookFn<'a>>);

type HookFn<'a> = dyn Fn(Moment, &[u8]) + Sync + 'a;

impl Hook<'_> {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn call(&self, moment: Moment, name: &[u8]) {
        if let Some(hook) = self.0 {
            hook(moment, name);
        }
    }
}
