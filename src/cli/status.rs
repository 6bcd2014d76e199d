//! `astore` without a command: where the store is, how it is, and what to do next.

use astore::error::Error;
use astore::registry::Access;
use astore::storage::{StorageError, root};

use super::context::{Context, Form};
use super::environment::PlaceChoice;
use super::exit::Exit;
use super::output::json::{self, schema};
use super::output::status::{self as text, Found, Status};
use super::progress::Volume;

pub(crate) fn run(ctx: &mut Context) -> anyhow::Result<Exit> {
    let found = match ctx.open("status", Access::Read) {
        Ok(registry) => Some(Found { glance: registry.glance()?, health: registry.health()? }),
        Err(error) if is_no_store(&error) => None,
        Err(error) => return Err(error),
    };
    let place = ctx.place()?.clone();
    let made_by_add = place.choice == PlaceChoice::Default;
    let around = if found.is_none() { root::store_around(&place.root) } else { None };
    let status = Status { root: place.root, said_by: place.said_by, made_by_add, around, found };
    let next = text::next(&status, ctx.asked());
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::STATUS, json::Status::of(&status, &next), out),
        (Form::Text, Volume::Quiet) => text::root(&status, out),
        (Form::Text, Volume::Normal) => text::status(&status, &next, page, out),
    })
}

fn is_no_store(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Storage(StorageError::NoStore { .. })))
}
