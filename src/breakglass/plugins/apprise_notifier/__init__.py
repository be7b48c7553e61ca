"""The notifier `apprise`: mail, SMS gateways, Slack, Teams, PagerDuty, ntfy, webhooks and a hundred more, by one
address each (https://github.com/caronc/apprise)."""

from breakglass.plugin_api.notifier import NotifierPlugin
from breakglass.plugins.apprise_notifier.notifier import AppriseNotifier


def plugin() -> NotifierPlugin:
    return AppriseNotifier()
