//! The keys of Java's `AuthConfig` (5.5.0), in its order of declaration, and those that `BrokerStartup` reads itself.

use process::config::{Class, boolean, int, null, text};

pub const AUTH_CONFIG: Class = Class {
    name: "AuthConfig",
    keys: &[
        null("configName"),
        null("clusterName"),
        null("authConfigPath"),
        boolean("authenticationEnabled", false),
        null("authenticationProvider"),
        null("authenticationMetadataProvider"),
        null("authenticationStrategy"),
        null("authenticationWhitelist"),
        null("initAuthenticationUser"),
        null("innerClientAuthenticationCredentials"),
        boolean("authorizationEnabled", false),
        null("authorizationProvider"),
        null("authorizationMetadataProvider"),
        null("authorizationStrategy"),
        null("authorizationWhitelist"),
        boolean("migrateAuthFromV1Enabled", false),
        int("userCacheMaxNum", 1000),
        int("userCacheExpiredSecond", 600),
        int("userCacheRefreshSecond", 60),
        int("aclCacheMaxNum", 1000),
        int("aclCacheExpiredSecond", 600),
        int("aclCacheRefreshSecond", 60),
        int("statefulAuthenticationCacheMaxNum", 10_000),
        int("statefulAuthenticationCacheExpiredSecond", 60),
        int("statefulAuthorizationCacheMaxNum", 10_000),
        int("statefulAuthorizationCacheExpiredSecond", 60),
    ],
};

/// `BrokerStartup.properties2SystemEnv`: where a broker asks for name server addresses over HTTP.
pub const BROKER_STARTUP: Class = Class {
    name: "BrokerStartup",
    keys: &[text("rmqAddressServerDomain", "jmenv.tbsite.net"), text("rmqAddressServerSubGroup", "nsaddr")],
};
