package clients

import (
	"context"
	"reflect"
	"sort"
	"sync"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// Keeps what a listener was given.
type inbox struct {
	mutex    sync.Mutex
	received []*primitive.MessageExt
}

// A listener that says success.
func (box *inbox) take(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	box.add(msgs...)
	return consumer.ConsumeSuccess, nil
}

func (box *inbox) add(msgs ...*primitive.MessageExt) {
	box.mutex.Lock()
	defer box.mutex.Unlock()
	box.received = append(box.received, msgs...)
}

func (box *inbox) all() []*primitive.MessageExt {
	box.mutex.Lock()
	defer box.mutex.Unlock()
	return append([]*primitive.MessageExt(nil), box.received...)
}

// Bodies in the order in which they came.
func (box *inbox) texts() []string {
	return texts(box.all())
}

func texts(msgs []*primitive.MessageExt) []string {
	bodies := make([]string, len(msgs))
	for i, msg := range msgs {
		bodies[i] = string(msg.Body)
	}
	return bodies
}

// Waits for as many messages as wanted, then demands these in this order.
func (box *inbox) awaitInOrder(t *testing.T, want []string) []*primitive.MessageExt {
	t.Helper()
	box.awaitCount(t, len(want))
	sameTexts(t, box.texts(), want)
	return box.all()
}

// The same in any order.
func (box *inbox) awaitExactly(t *testing.T, want []string) []*primitive.MessageExt {
	t.Helper()
	box.awaitCount(t, len(want))
	sameTexts(t, sorted(box.texts()), sorted(want))
	return box.all()
}

func (box *inbox) awaitCount(t *testing.T, count int) {
	t.Helper()
	await(t, "the messages", func() (bool, any) {
		seen := box.texts()
		return len(seen) >= count, seen
	})
}

func sorted(texts []string) []string {
	copied := append([]string(nil), texts...)
	sort.Strings(copied)
	return copied
}

func sameTexts(t *testing.T, got, want []string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("received %q, not %q", got, want)
	}
}
