//! OAuth
