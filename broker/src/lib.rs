<<<<<<< HEAD

=======
pub mod store;
>>>>>>> store
