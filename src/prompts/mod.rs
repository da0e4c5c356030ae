//! Short exercises: the catalogue, a patient's favourites, and one for today.

mod catalogue;
mod dto;
mod queries;
mod routes;
mod rules;
mod sync;

pub use self::{
    catalogue::{Prompt, catalogue},
    dto::OfferedPrompt,
    queries::{support, todays, view},
    routes::router,
    sync::{Favourites, SyncedFavourites},
};
