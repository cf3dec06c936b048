//! What runs in a container: processes that are tasks of this program, with files of their own in memory and the simulated
//! network. Nothing here touches the host.
//!
//! [`process`] is what a program sees, [`world`] the container around its processes, [`files`] its files, [`pipe`] the
//! streams between them, [`terminal`] the line discipline of `-t`, [`budget`] the processor time a Pod may use; [`shell`]
//! and [`tools`] are the programs that images have.

mod attach;
pub mod budget;
pub mod container;
pub mod files;
pub mod image;
pub mod images;
pub mod images_file;
pub mod log;
pub mod pipe;
pub mod process;
pub mod sandbox;
pub mod session;
pub mod shell;
pub mod signal;
pub mod terminal;
pub mod tools;
pub mod world;

pub use image::Reference;
