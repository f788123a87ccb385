"""Policies 策略: what is done about which risk, for whom, in versions that are evidence."""

from hegui.policy.rules import Direction, Policy, Profile, default_policy
from hegui.policy.versions import Policies, Snapshot

__all__ = ["Direction", "Policies", "Policy", "Profile", "Snapshot", "default_policy"]
