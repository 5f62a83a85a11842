package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// How publications come to the server.
const (
	ViaConnection = "connection" // over WebSockets of the flooder's own
	ViaAPI        = "api"        // over the HTTP API, as backends publish
)

const (
	apiTimeout  = 30 * time.Second // of one request
	apiBatch    = 256              // publications in one request, when they are due faster than answers come
	apiBytes    = 1 << 20          // of a request with more than one publication
	apiNap      = 10 * time.Millisecond
	apiLookEach = 50 * time.Millisecond
)

// APILoad is what became of the requests to the HTTP API. A publication that was refused was due to nobody, so that what
// the API fails at is not taken for loss of delivery.
type APILoad struct {
	Requests  uint64            `json:"requests"`
	Batches   uint64            `json:"batches"` // of them, how many had several publications
	Published uint64            `json:"published"`
	Refused   uint64            `json:"refused"` // publications that were not made
	Unknown   uint64            `json:"unknown"` // that had no answer and that no member has seen: due to nobody
	Errors    map[string]uint64 `json:"errors,omitempty"`
	Latency   *Latency          `json:"latency,omitempty"` // of requests, from sending to the answer
	Late      *Latency          `json:"late,omitempty"`    // of publications, from when they were due until their request was sent
}

// checkAPI returns what is wrong with the options of publishers over the HTTP API.
func (o *Options) checkAPI() error {
	switch {
	case o.PublishVia != ViaConnection && o.PublishVia != ViaAPI:
		return fmt.Errorf("%w: --publish-via %q: want %s or %s", ErrUsage, o.PublishVia, ViaConnection, ViaAPI)
	case o.PublishVia == ViaConnection && (o.API != "" || o.APIKey != ""):
		return fmt.Errorf("%w: --api and --api-key are for --publish-via %s: write that too", ErrUsage, ViaAPI)
	case o.PublishVia == ViaConnection:
		return nil
	case o.Scenario != Fanout:
		return fmt.Errorf("%w: --publish-via %s: only fanout has publishers of this kind", ErrUsage, ViaAPI)
	}
	_, err := apiBase(o.API)
	return err
}

// apiBase returns where the methods of the API are, without a slash at its end: under /api if address does not say.
func apiBase(address string) (string, error) {
	u, err := url.Parse(address)
	if err == nil && u.User != nil {
		return "", fmt.Errorf("%w: --api: leave out the user: want the server's internal address, as in http://127.0.0.1:9000", ErrUsage)
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return "", fmt.Errorf("%w: --api %q: want the server's internal address, as in http://127.0.0.1:9000", ErrUsage, address)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/api"
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// apiPublishers publish over the HTTP API. Each is a goroutine with one request under way on a connection that stays
// open, and has rooms of its own, so that the order of a room is known.
type apiPublishers struct {
	run     *run
	pace    pace
	base    string
	client  *http.Client
	ctx     context.Context // of all requests
	abandon context.CancelFunc
	workers []*apiWorker
	stopped atomic.Bool
	running sync.WaitGroup
}

// apiWorker is one publisher. Its goroutine owns all of it until it has ended.
type apiWorker struct {
	of      *apiPublishers
	number  uint64
	next    uint64   // of the run's publications
	numbers []uint32 // of the last publication, by room
	items   []apiItem
	body    []byte
	load    APILoad
	latency *hdrhistogram.Histogram
	late    *hdrhistogram.Histogram
}

// apiItem is one publication under way.
type apiItem struct {
	room, number uint32
	due          int64
}

// fanoutByAPI is fan-out whose publications come over the HTTP API.
func (r *run) fanoutByAPI() {
	r.takeCensus(everybody)
	a := r.startAPI(pace{start: r.soon(), rate: uint64(r.options.Rate)})
	r.measure("delivery", countDelivered)
	r.report.API = a.stop()
	r.drain(progress.complete)
}

// startAPI begins to publish; the options have been checked.
func (r *run) startAPI(p pace) *apiPublishers {
	base, _ := apiBase(r.options.API)
	workers := min(r.options.Publishers, r.options.Rooms)
	a := &apiPublishers{
		run: r, pace: p, base: base,
		client: &http.Client{Timeout: apiTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true}},
	}
	a.ctx, a.abandon = context.WithCancel(context.Background())
	for i := range workers {
		a.workers = append(a.workers, &apiWorker{
			of: a, number: uint64(i), numbers: make([]uint32, r.options.Rooms),
			latency: newHistogram(), late: newHistogram(), load: APILoad{Errors: make(map[string]uint64)},
		})
	}
	for _, w := range a.workers {
		a.running.Go(w.publish)
	}
	return a
}

// stop ends the publishers once their requests are answered, or have been waited for, and returns what became of all.
func (a *apiPublishers) stop() *APILoad {
	a.stopped.Store(true)
	defer time.AfterFunc(a.run.options.Drain, a.abandon).Stop()
	a.running.Wait()
	a.abandon()
	a.client.CloseIdleConnections()
	all := &APILoad{Errors: make(map[string]uint64)}
	latency, late := newHistogram(), newHistogram()
	for _, w := range a.workers {
		all.Requests += w.load.Requests
		all.Batches += w.load.Batches
		all.Published += w.load.Published
		all.Refused += w.load.Refused
		all.Unknown += w.load.Unknown
		for label, n := range w.load.Errors {
			all.Errors[label] += n
		}
		latency.Merge(w.latency)
		late.Merge(w.late)
	}
	all.Latency, all.Late = latencyOf(latency), latencyOf(late)
	return all
}

// publish sends what is due until the publishers are stopped.
func (w *apiWorker) publish() {
	r := w.of.run
	for !w.of.stopped.Load() {
		wait := w.collect(r.clock())
		if len(w.items) > 0 {
			w.send()
			continue
		}
		sleep(min(wait, int64(apiNap))) // no timer: those of the runtime may be a millisecond late
	}
}

// collect takes the publications that are due, as many as fit one request. If there is none it returns how long until the
// next.
func (w *apiWorker) collect(now int64) (wait int64) {
	w.items = w.items[:0]
	most := min(max(apiBytes/w.of.run.options.Payload, 1), apiBatch)
	for len(w.items) < most {
		room := uint32(w.next % uint64(w.of.run.options.Rooms))
		if uint64(room)%uint64(len(w.of.workers)) != w.number {
			w.next++
			continue
		}
		due := w.of.pace.at(w.next)
		if due > now {
			return due - now
		}
		w.next++
		w.numbers[room]++
		w.items = append(w.items, apiItem{room, w.numbers[room], due})
	}
	return 0
}

// send makes one request of the items and enters what came of it.
func (w *apiWorker) send() {
	r := w.of.run
	path := w.build()
	sent := r.clock()
	w.expect(sent)
	for _, item := range w.items {
		record(w.late, sent-item.due)
	}
	answers, err := w.ask(path)
	record(w.latency, r.clock()-sent)
	w.load.Requests++
	if len(w.items) > 1 {
		w.load.Batches++
	}
	switch {
	case err == nil:
		w.take(answers)
	case isUnsent(err):
		w.load.Errors["request: "+w.label(err)] += uint64(len(w.items))
		w.refuse(w.items)
	default:
		w.load.Errors["request: "+w.label(err)] += uint64(len(w.items))
		w.lookFor()
	}
	n := uint64(len(w.items))
	w.tell(func(d *driver) { d.counters.answered.add(n) })
}

// build puts the request together and returns its path.
func (w *apiWorker) build() (path string) {
	w.body = w.body[:0]
	if len(w.items) == 1 {
		w.body = w.appendPublish(w.body, w.items[0])
		return "/publish"
	}
	w.body = append(w.body, `{"commands":[`...)
	for i, item := range w.items {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		w.body = append(w.body, `{"publish":`...)
		w.body = append(w.appendPublish(w.body, item), '}')
	}
	w.body = append(w.body, `]}`...)
	return "/batch"
}

func (w *apiWorker) appendPublish(b []byte, item apiItem) []byte {
	name, err := json.Marshal(string(w.of.run.roomName(item.room)))
	if err != nil {
		panic(err) // a string has a form
	}
	b = append(append(b, `{"channel":`...), name...)
	b = append(b, `,"data":`...)
	b = stamp{item.room, item.number, item.due}.appendTo(b, w.of.run.options.Payload)
	return append(b, '}')
}

// expect counts the deliveries that the items are to make, before they can come, and how late they are sent.
func (w *apiWorker) expect(sent int64) {
	items := append([]apiItem(nil), w.items...)
	w.tell(func(d *driver) {
		for _, item := range items {
			d.counters.due.add(uint64(d.census[item.room]))
			d.counters.sent.add(1)
			record(d.result.late, sent-item.due)
		}
	})
}

// tell has f called on the first loop, whose counters the publishers share.
func (w *apiWorker) tell(f func(*driver)) {
	w.of.run.drivers[0].loop.Send(netpoll.Post{Item: f})
}

// apiError is a negative answer.
type apiError struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

// apiAnswer is what the API says to one publication.
type apiAnswer struct {
	Error   *apiError       `json:"error"`
	Result  json.RawMessage `json:"result"`
	Publish json.RawMessage `json:"publish"` // the result's name in a batch
}

// statusError is an HTTP status other than 200.
type statusError int

func (e statusError) Error() string { return "HTTP status " + strconv.Itoa(int(e)) }

// errAnswer means that the API's answer is none to what was asked.
var errAnswer = errors.New("an answer that does not fit")

// ask makes the request and returns an answer for each item.
func (w *apiWorker) ask(path string) ([]apiAnswer, error) {
	request, err := http.NewRequestWithContext(w.of.ctx, http.MethodPost, w.of.base+path, bytes.NewReader(w.body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key := w.of.run.options.APIKey; key != "" {
		request.Header.Set("X-API-Key", key)
	}
	response, err := w.of.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // what it has to say has been read
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode != http.StatusOK:
		return nil, statusError(response.StatusCode)
	}
	return parseAnswers(body, len(w.items))
}

// parseAnswers reads the answer to a request with n publications.
func parseAnswers(body []byte, n int) ([]apiAnswer, error) {
	var answer struct {
		apiAnswer
		Replies []apiAnswer `json:"replies"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, errAnswer
	}
	if n == 1 {
		answer.Replies = []apiAnswer{answer.apiAnswer}
	}
	if len(answer.Replies) != n {
		return nil, errAnswer
	}
	for _, a := range answer.Replies {
		if a.Error == nil && a.Result == nil && a.Publish == nil {
			return nil, errAnswer
		}
	}
	return answer.Replies, nil
}

// isUnsent reports whether the request of this error has certainly published nothing: it found nobody, or was turned away.
func isUnsent(err error) bool {
	var status statusError
	if errors.As(err, &status) {
		return status >= 300 && status < 500 || status == http.StatusServiceUnavailable
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// label returns err without what differs from one request to the next.
func (w *apiWorker) label(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// take enters the answers to the items.
func (w *apiWorker) take(answers []apiAnswer) {
	var refused []apiItem
	for i, a := range answers {
		if a.Error != nil {
			w.load.Errors[fmt.Sprintf("publish: error %d %+q", a.Error.Code, a.Error.Message)]++
			refused = append(refused, w.items[i])
		} else {
			w.published(w.items[i])
		}
	}
	w.refuse(refused)
}

// published enters that an item is due to the members of its room.
func (w *apiWorker) published(item apiItem) {
	w.load.Published++
	w.of.run.published[item.room]++
}

// refuse enters that items are due to nobody.
func (w *apiWorker) refuse(items []apiItem) {
	w.load.Refused += uint64(len(items))
	w.forget(append([]apiItem(nil), items...))
}

// forget takes back what the items were expected to deliver.
func (w *apiWorker) forget(items []apiItem) {
	if len(items) == 0 {
		return
	}
	w.tell(func(d *driver) {
		for _, item := range items {
			d.counters.due.add(-uint64(d.census[item.room]))
		}
	})
}

// lookFor finds out what became of items without an answer: one that a member has seen was made, and so were those
// before it in the same room, as the API takes a request's in order. The room's next publications wait meanwhile, so
// that they are not passed by these.
func (w *apiWorker) lookFor() {
	left := w.items
	for end := time.Now().Add(w.of.run.options.Drain); len(left) > 0; time.Sleep(apiLookEach) {
		seen := w.of.run.highest(left)
		kept := left[:0:0]
		for _, item := range left {
			if item.number <= seen[item.room] {
				w.published(item)
			} else {
				kept = append(kept, item)
			}
		}
		if left = kept; time.Now().After(end) {
			break
		}
	}
	w.load.Unknown += uint64(len(left))
	w.forget(left)
}

// highest returns, for each room of items, the highest number that a member has seen.
func (r *run) highest(items []apiItem) map[uint32]uint32 {
	seen := make(map[uint32]uint32)
	for _, item := range items {
		seen[item.room] = 0
	}
	r.ask(func(d *driver) {
		for i := range d.peers {
			p := &d.peers[i]
			room := r.roomOf(p.number)
			if last, ok := seen[room]; ok && p.stage == ready {
				seen[room] = max(last, p.track.last)
			}
		}
	})
	return seen
}

// writeAPI writes what became of the requests to the API.
func (r *Report) writeAPI(t *table) {
	a := r.API
	if a == nil {
		return
	}
	t.row("API", "%d published, %d refused, %d of unknown fate; %d requests, %d of them batches", a.Published, a.Refused, a.Unknown, a.Requests, a.Batches)
	t.counts("  API error", a.Errors)
	t.latency("  requests", a.Latency)
	t.latency("  sent late by", a.Late)
}
