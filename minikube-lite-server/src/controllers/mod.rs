//! Controllers, one file each, over one shared runtime. They see the API only through [`crate::client`].
