//! What the server answered before a fault: it must work after it, once, and what was used up must not.

use super::steps::{granted, opens_with_a_code, redeemed_once, refused};
use super::world::{World, text};

/// What was answered and not used, and what was used.
pub struct Kept {
    unused_request: String,
    unused_code: String,
    refresh_token: String,
    access_token: String,
    used_request: String,
    used_code: String,
    rotated_token: String,
    revoked_token: String,
}

impl Kept {
    pub async fn new(world: &mut World) -> Kept {
        let used_request = world.asking_for(&world.push(&[]).await);
        assert!(opens_with_a_code(world, &used_request).await);
        let used_code = world.code().await;
        assert_eq!(world.redeem(&used_code).await.status, 200);
        let rotated_token = text(&granted(world).await, "refresh_token");
        let successor = text(&world.refresh(&rotated_token).await, "refresh_token");
        assert_eq!(world.refresh(&successor).await.status, 200);
        let revoked_token = text(&granted(world).await, "refresh_token");
        assert_eq!(world.revoke(&revoked_token).await.status, 200);
        let tokens = granted(world).await;
        Kept {
            unused_request: world.asking_for(&world.push(&[]).await),
            unused_code: world.code().await,
            refresh_token: text(&tokens, "refresh_token"),
            access_token: text(&tokens, "access_token"),
            used_request,
            used_code,
            rotated_token,
            revoked_token,
        }
    }

    /// What was answered and does not work any more.
    pub async fn lost(&self, world: &World) -> Vec<String> {
        let mut lost = Vec::new();
        // It needs the session of the browser, too.
        if !opens_with_a_code(world, &self.unused_request).await {
            lost.push("a session or a pushed request".to_owned());
        }
        if !world.is_active(&self.access_token).await {
            lost.push("an access token".to_owned());
        }
        if world.refresh(&self.refresh_token).await.status != 200 {
            lost.push("a refresh token".to_owned());
        }
        lost.extend(redeemed_once(world, &self.unused_code).await.err());
        lost
    }

    /// What was used up and works again.
    pub async fn usable_twice(&self, world: &World) -> Vec<String> {
        let mut twice = Vec::new();
        for request in [&self.unused_request, &self.used_request] {
            if opens_with_a_code(world, request).await {
                twice.push("a pushed request".to_owned());
            }
        }
        twice.extend(refused(world.redeem(&self.used_code).await, "a redeemed code").err());
        for (token, what) in [
            (&self.rotated_token, "a refresh token after its successor"),
            (&self.revoked_token, "a revoked refresh token"),
        ] {
            twice.extend(refused(world.refresh(token).await, what).err());
        }
        twice
    }
}
