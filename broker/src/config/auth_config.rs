//! Java's `AuthConfig` (5.5.0), in its order of declaration, and the keys that `BrokerStartup` reads itself.

use process::config::{boolean, int, null, text};
use process::settings;

settings! {
    /// Who may do what.
    pub struct AuthConfig of "AuthConfig" {
        [never] null("configName"),
        [never] null("clusterName"),
        [never] null("authConfigPath"),
        [never] boolean("authenticationEnabled", false),
        [never] null("authenticationProvider"),
        [never] null("authenticationMetadataProvider"),
        [never] null("authenticationStrategy"),
        [never] null("authenticationWhitelist"),
        [never] null("initAuthenticationUser"),
        [never] null("innerClientAuthenticationCredentials"),
        [never] boolean("authorizationEnabled", false),
        [never] null("authorizationProvider"),
        [never] null("authorizationMetadataProvider"),
        [never] null("authorizationStrategy"),
        [never] null("authorizationWhitelist"),
        [never] boolean("migrateAuthFromV1Enabled", false),
        [never] int("userCacheMaxNum", 1000),
        [never] int("userCacheExpiredSecond", 600),
        [never] int("userCacheRefreshSecond", 60),
        [never] int("aclCacheMaxNum", 1000),
        [never] int("aclCacheExpiredSecond", 600),
        [never] int("aclCacheRefreshSecond", 60),
        [never] int("statefulAuthenticationCacheMaxNum", 10_000),
        [never] int("statefulAuthenticationCacheExpiredSecond", 60),
        [never] int("statefulAuthorizationCacheMaxNum", 10_000),
        [never] int("statefulAuthorizationCacheExpiredSecond", 60),
    }
}

settings! {
    /// Where a broker asks for name server addresses over HTTP (`BrokerStartup.properties2SystemEnv`).
    pub struct BrokerStartup of "BrokerStartup" {
        [restart] text("rmqAddressServerDomain", "jmenv.tbsite.net"),
        [restart] text("rmqAddressServerSubGroup", "nsaddr"),
    }
}
