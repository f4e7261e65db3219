use crate::{config::BrokerSettings, topics::Topics};
use process::clock::Clock;
use std::{sync::Arc, time::Duration};
pub struct RegistrationConfig {}
impl RegistrationConfig { pub fn of(_: &BrokerSettings) -> Self { Self {} } }
pub struct Registration {}
impl Registration {
    pub fn new(_: RegistrationConfig, _: Arc<Topics>, _: Clock) -> Self { Self {} }
    pub async fn run(&self) {}
    pub async fn first_attempt(&self, _: Duration) {}
    pub async fn shutdown(&self) {}
}
