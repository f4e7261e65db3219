package clients

import (
	"context"
	"testing"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// The application's side of a transaction: what it says at once and what it says when the broker asks.
type ledger struct {
	now, later primitive.LocalTransactionState
	asked      inbox
}

func (l *ledger) ExecuteLocalTransaction(*primitive.Message) primitive.LocalTransactionState {
	return l.now
}

func (l *ledger) CheckLocalTransaction(msg *primitive.MessageExt) primitive.LocalTransactionState {
	l.asked.add(msg)
	return l.later
}

func newTransactionProducer(t *testing.T, listener primitive.TransactionListener) rocketmq.TransactionProducer {
	t.Helper()
	p, err := rocketmq.NewTransactionProducer(listener,
		producer.WithNameServer(nameServers),
		producer.WithGroupName(unique("producer")),
		producer.WithInstanceName(unique("client")),
	)
	check(t, err)
	check(t, p.Start())
	t.Cleanup(func() { _ = p.Shutdown() })
	return p
}

func sendInTransaction(t *testing.T, listener *ledger, topic, body string) *primitive.TransactionSendResult {
	t.Helper()
	p := newTransactionProducer(t, listener)
	result, err := p.SendMessageInTransaction(context.Background(), message(topic, body).WithTag("TagT"))
	check(t, err)
	equal(t, "status of the send", result.Status, primitive.SendOK)
	equal(t, "local state", result.State, listener.now)
	return result
}

// These two do not run beside the others: the broker asks after a second already.

func TestTransactions(t *testing.T) {
	topic := createTopic(t, "GoTransaction", 1)
	box, _ := consume(t, unique("group"), topic, everything)
	rolledBack := &ledger{now: primitive.RollbackMessageState, later: primitive.CommitMessageState}
	committed := &ledger{now: primitive.CommitMessageState, later: primitive.RollbackMessageState}

	sendInTransaction(t, rolledBack, topic, "rolled back")
	sent := sendInTransaction(t, committed, topic, "committed")

	got := box.awaitExactly(t, []string{"committed"})[0]
	equal(t, "id", got.MsgId, sent.MsgID)
	equal(t, "tag", got.GetTags(), "TagT")
	equal(t, "offset in the topic", got.QueueOffset, 0)
	sameTexts(t, append(rolledBack.asked.texts(), committed.asked.texts()...), []string{})
}

func TestBrokerAsksForOpenTransactions(t *testing.T) {
	topic := createTopic(t, "GoCheckBack", 1)
	box, _ := consume(t, unique("group"), topic, everything)
	rolledBack := &ledger{now: primitive.UnknowState, later: primitive.RollbackMessageState}
	committed := &ledger{now: primitive.UnknowState, later: primitive.CommitMessageState}

	sendInTransaction(t, rolledBack, topic, "rolled back late")
	rolledBack.asked.awaitCount(t, 1)
	sent := sendInTransaction(t, committed, topic, "committed late")

	got := box.awaitExactly(t, []string{"committed late"})[0]
	equal(t, "id", got.MsgId, sent.MsgID)
	asked := committed.asked.all()[0]
	equal(t, "topic asked about", asked.Topic, topic)
	equal(t, "body asked about", string(asked.Body), "committed late")
	equal(t, "transaction asked about", asked.TransactionId, sent.MsgID)
}
