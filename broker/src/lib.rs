//! The broker: `mqbroker`.
#![warn(missing_docs)]

mod arrivals;
pub mod attributes;
pub mod broadcast_offsets;
pub mod broker;
pub mod calls;
pub mod clients;
pub mod cold_data;
pub mod config;
pub mod configuration;
pub mod consumer_filter;
pub mod delays;
mod dispatch;
#[cfg(test)]
mod golden;
pub mod groups;
pub mod handler;
pub mod limit;
pub mod locks;
pub mod long_poll;
pub mod offsets;
pub mod persister;
mod real_place;
pub mod reconfigure;
pub mod registration;
pub mod request_modes;
pub mod safety;
pub mod schedule;
pub mod start;
pub mod store_stats;
pub mod subscription;
mod table_file;
pub mod timer;
mod topic_metrics;
pub mod topic_validator;
pub mod topics;
pub mod transaction;
mod unreadable;
mod workers;
