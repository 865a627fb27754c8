//! What tests need and the product does not ship: a simulated world for the coordination layer, a scripted model for
//! agent programs, homes of their own for real engines, the real window, a stand-in for the engine in benches of the window,
//! temporary repositories. A dev-dependency only.

pub mod agent;
pub mod chaos;
pub mod feeder;
pub mod home;
pub mod model;
pub mod repo;
pub mod seat;
pub mod sim;
pub mod window;
