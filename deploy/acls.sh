#!/bin/sh
# What each role must be allowed on a Kafka with an authorizer, and no more: tests/kafka/test_security.py runs worker and
# console with exactly these. Brokers of 2.8 or newer; before that add `--operation IdempotentWrite --cluster` for the worker.
#
#   deploy/acls.sh worker   User:relay-worker   --bootstrap-server kafka-1:9093 --command-config admin.properties
#   deploy/acls.sh console  User:relay-console  --bootstrap-server …            also: relay deliveries, erase, reconcile
#   deploy/acls.sh operator User:relay-operator --bootstrap-server …            relay topics, check, subscriptions, tokens, reconcile
#   deploy/acls.sh trial    User:relay-operator --bootstrap-server …            besides: relay send, topics apply --with-events
#
# Reads RELAY_TOPIC_PREFIX, RELAY_GROUP and RELAY_EVENTS_TOPICS as relay does, and calls Kafka's own kafka-acls.sh, which
# must be on the PATH; it changes nothing that exists. KAFKA_ACLS="echo kafka-acls.sh" shows what it would do.
# Read and Write let a role describe what they are for; nobody here may delete, alter, or read anybody else's topics.
set -eu

role=${1:?worker, console, operator or trial} principal=${2:?as in User:relay-worker}
shift 2
connection=$*
prefix=${RELAY_TOPIC_PREFIX:-relay} group=${RELAY_GROUP:-relay} events=${RELAY_EVENTS_TOPICS:-leads.events}
: "${KAFKA_ACLS:=kafka-acls.sh}"

allow() {
  # shellcheck disable=SC2086  both are words
  $KAFKA_ACLS $connection --add --allow-principal "$principal" "$@"
}
to_events() { # operations; the platform's topics, by their exact names
  for topic in $(echo "$events" | tr ',' ' '); do
    allow "$@" --topic "$topic"
  done
}

case $role in
  worker)
    to_events --operation Read
    allow --operation Read --group "$group" --group "$prefix.deliveries"
    # pending deliveries are both written and read; the settings of all its topics are looked at before it starts
    allow --operation Read --operation Write --operation DescribeConfigs \
      --topic "$prefix.deliveries." --resource-pattern-type prefixed
    allow --operation Write --operation DescribeConfigs \
      --topic "$prefix.results" --topic "$prefix.progress" --topic "$prefix.notices" --topic "$prefix.dead-letters"
    allow --operation Read --topic "$prefix.notices" # what other workers told; without: `notices.troubled`, and no more
    # written only to disable a subscription whose endpoint is gone or dead; without: `disabling.troubled`, and no more
    allow --operation Read --operation Write --operation DescribeConfigs --topic "$prefix.subscriptions"
    allow --operation Write --topic "$prefix.audit"
    allow --operation Write --transactional-id "$prefix.subscriptions"
    ;;
  console)
    # events are read again to show what was sent, and to send them once more
    to_events --operation Read --operation DescribeConfigs
    allow --operation Read --operation DescribeConfigs --topic "$prefix." --resource-pattern-type prefixed # shows all of it
    allow --operation Write --topic "$prefix.deliveries.now" --topic "$prefix.subscriptions" --topic "$prefix.notices" \
      --topic "$prefix.runs" --topic "$prefix.tokens" --topic "$prefix.audit"
    # replays wait for what is undelivered; a reconciliation goes as far as the group has come
    allow --operation Describe --group "$prefix.deliveries" --group "$group"
    allow --operation Read --group "$prefix.notices" # RELAY_NOTICES_URL: what was sent there
    allow --operation Write --transactional-id "$prefix.subscriptions" --transactional-id "$prefix.tokens"
    allow --operation Write --transactional-id "$prefix.runs" --resource-pattern-type prefixed # one a run
    ;;
  operator)
    to_events --operation Describe
    allow --operation Create --operation Describe --operation DescribeConfigs \
      --topic "$prefix." --resource-pattern-type prefixed
    allow --operation Describe --group "$prefix.deliveries" # how much a delivery topic still holds
    allow --operation Read --topic "$prefix.progress" --topic "$prefix.results" --topic "$prefix.dead-letters"
    allow --operation Describe --group "$group" # what it has committed must have been told of
    allow --operation Read --operation Write --topic "$prefix.subscriptions"
    allow --operation Write --topic "$prefix.notices" # that a disabled one is active again
    allow --operation Read --operation Write --topic "$prefix.tokens"
    allow --operation Write --topic "$prefix.audit" # who changed what
    allow --operation Write --transactional-id "$prefix.subscriptions" --transactional-id "$prefix.tokens"
    ;;
  trial)
    to_events --operation Create --operation Write
    ;;
  *)
    echo "no such role: $role (worker, console, operator or trial)" >&2
    exit 2
    ;;
esac
