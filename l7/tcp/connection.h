// One TCP connection (RFC 9293) as a machine without hands: segments and a time in, segments, events and a deadline
// out.
//
// Use: open() or accept(); then on_segment() for each segment that arrives, on_deadline() when deadline() has passed,
// and after either, and after any call of the application, next_segment() until it is false. Events gather until taken.
// Memory: the connection is a value of under 1 KB; stream bytes, records of what is in flight and of gaps live in the
// pools of Shared and are held only while there are any. release() before it is forgotten. One thread: its worker.
// Time: nanoseconds, never going back. Failure: end() says why a connection is over; Count names refused segments.
// Not here: addresses and ports (the stack), IP, checksums, urgent data (arrives as data), Fast Open, MPTCP.
//
// Input follows §3.10.7 in its order: input.cpp (SYN-SENT, sequence, RST, SYN), acknowledge.cpp (ACK), receive.cpp
// (text, FIN, window, ACK policy); output.cpp says what is sent next; timers.cpp what happens when nothing does.
#pragma once

#include <algorithm>
#include <utility>

#include "l7/tcp/pacing.h"
#include "l7/tcp/tuning.h"

namespace penstock::tcp {

//                         accept: SYN          open: (send SYN)
//                 CLOSED ────────────► SYN-RECEIVED ◄──── SYN ──── SYN-SENT
//                                          │ ACK of SYN                │ SYN,ACK
//                                          ▼                           │
//             finish() ┌────────────── ESTABLISHED ◄───────────────────┘
//                      ▼                   │ FIN
//                 FIN-WAIT-1 ── FIN ──► CLOSING          ▼
//      ACK of FIN │    │ FIN,ACK           │ ACK      CLOSE-WAIT ── finish() ──► LAST-ACK ── ACK of FIN ──► CLOSED
//                 ▼    ▼                   ▼
//          FIN-WAIT-2 ──── FIN ────► TIME-WAIT ── 2 MSL ──► CLOSED
enum class State : uint8_t {
  kClosed,
  kSynSent,
  kSynReceived,
  kEstablished,
  kFinWait1,
  kFinWait2,
  kCloseWait,
  kClosing,
  kLastAck,
  kTimeWait,
};
const char* to_string(State state);

// Why a connection is over.
enum class End : uint8_t {
  kOpen,         // it is not
  kFinished,     // both sides finished
  kReset,        // the peer sent a reset
  kRefused,      // the peer answered the SYN with a reset
  kUnreachable,  // ICMP answered the SYN: the peer cannot be reached
  kTimedOut,     // the peer did not answer in time
  kAborted,      // abort(), or close() with bytes unread, or data after close()
  kReturned,     // SYN-RECEIVED went back to LISTEN (§3.10.7.4): nobody was told of it
};
const char* to_string(End end);

enum Event : uint8_t {
  kConnected = 1 << 0,     // ESTABLISHED
  kReadable = 1 << 1,      // more bytes to read
  kWritable = 1 << 2,      // the peer acknowledged: room in the send buffer
  kPeerFinished = 1 << 3,  // no bytes follow those that are readable
  kEnded = 1 << 4,         // CLOSED, see end()
};

struct Opening {
  Seq isn = 0;             // RFC 6528, from the stack
  uint32_t ts_offset = 0;  // RFC 7323 §5.4: timestamps of different peers are not comparable
  uint16_t mss = 0;        // lowers Tuning::mss for this route; 0: as tuned
};

// What a SYN cookie or a SYN told of the peer (see cookie.h).
struct PeerOffer {
  Seq irs = 0;
  uint16_t window = 0;
  uint16_t mss = 0;  // 0: none offered
  uint8_t window_scale = kNoWindowScale;
  bool sack = false;
  bool timestamps = false;
  bool ecn = false;
  uint32_t ts_value = 0;
};
PeerOffer offer_of(const Segment& syn);
uint8_t scale_for(uint32_t buffer);  // the least shift that describes it (RFC 7323 §2.3)

struct Plan {
  uint32_t max_segments = 1;  // packets into which a device or software cuts one Outgoing; it never holds over 64 KiB
};

class Connection {
 public:
  Connection() = default;  // a place for one; only assignment makes it usable
  explicit Connection(Shared& shared) : shared_(&shared) {}

  void open(const Opening& opening, base::Nanos now);                            // active: SYN-SENT
  void accept(const Opening& opening, const PeerOffer& offer, base::Nanos now);  // passive: SYN-RECEIVED
  // Passive, from a valid cookie: `isn` was the cookie; ESTABLISHED once on_segment() has seen the ACK that carried it.
  void accept_cookie(const Opening& opening, const PeerOffer& offer, base::Nanos now);

  void on_segment(const Segment& segment, base::Nanos now);
  void on_deadline(base::Nanos now);
  base::Nanos deadline() const;  // kNever: none
  bool next_segment(const Plan& plan, base::Nanos now, Outgoing& out);
  // ICMP says that `mss` bytes of payload (without options' share) fit the path; `quoted` is the sequence number of the
  // segment it quotes, which must be in flight (RFC 5927 §4). False: refused.
  bool on_path_mss(uint16_t mss, Seq quoted, base::Nanos now);
  // ICMP says that the peer cannot be reached. `hard`: and that trying again is no use (RFC 9293 §3.9.2.2), which ends
  // a connection in SYN-SENT whose SYN is quoted; everything else is counted, and left to the timers (RFC 5461). True:
  // it ended.
  bool on_unreachable(bool hard, Seq quoted);

  size_t write(base::Bytes bytes, base::Nanos now);  // bytes taken; fewer: the send buffer or the pool is full
  size_t writable() const;
  size_t readable() const { return static_cast<size_t>(received_ - consumed_); }
  size_t peek(base::Bytes* pieces, size_t max_pieces, size_t& piece_count) const;  // bytes in the pieces
  void consume(size_t bytes, base::Nanos now);
  void finish(base::Nanos now);   // no more bytes from us: FIN after what was written; reading goes on
  void close(base::Nanos now);    // the application is gone: FIN, or a reset when bytes were or will be lost (§3.6.1)
  void abort();                   // reset
  void release();                 // gives all memory back; CLOSED
  void widen() { wide_ = true; }  // its send buffer: Tuning::wide_send_buffer
  void set_nagle(bool on) { nagle_ = on; }
  void set_user_timeout(base::Nanos t) { user_timeout_ = t; }
  void set_keepalive(base::Nanos idle, base::Nanos now);

  State state() const { return state_; }
  End end() const { return end_; }
  uint8_t take_events() { return std::exchange(events_, uint8_t{0}); }
  bool has_events() const { return events_ != 0; }
  bool peer_finished() const { return fin_received_; }
  bool is_passive() const { return passive_; }
  // TIME-WAIT may give way to this SYN (RFC 6191 §2, RFC 9293 §3.10.7.4).
  bool may_give_way(const Segment& syn) const;

  // For tests, explain and metrics.
  Seq snd_una() const { return snd_una_; }
  Seq snd_nxt() const { return snd_nxt_; }
  Seq rcv_nxt() const { return rcv_nxt_; }
  Seq rcv_edge() const { return rcv_edge_; }
  uint32_t peer_window() const { return snd_wnd_; }
  uint16_t segment_size() const { return mss_; }
  const Congestion& congestion() const { return congestion_; }
  const Rtt& rtt() const { return rtt_; }
  const Scoreboard& scoreboard() const { return scoreboard_; }
  uint64_t unsent() const { return written_ - offset_of(snd_nxt_data()); }

  static constexpr base::Nanos kNever = ~base::Nanos{0};

 private:
  enum class Recovery : uint8_t { kOpen, kFast, kLoss };

  // input.cpp
  void start(const Opening& opening, base::Nanos now);
  void learn(const PeerOffer& offer);
  void in_syn_sent(const Segment& s, base::Nanos now);
  bool check_timestamps(const Segment& s, base::Nanos now);  // false: drop (RFC 7323 §5.3 R1)
  bool acceptable(const Segment& s) const;                   // first: sequence number
  bool check_reset(const Segment& s, base::Nanos now);       // second: RST; true: go on
  bool check_syn(const Segment& s, base::Nanos now);         // fourth: SYN; true: go on
  void challenge(Count why, base::Nanos now);
  void establish(base::Nanos now);
  void end_with(End why);
  void owe_reset(Seq seq, bool with_ack);
  // acknowledge.cpp
  bool check_ack(const Segment& s, base::Nanos now);  // fifth: ACK; true: go on
  bool ack_handshake(const Segment& s, base::Nanos now);
  void take_ack(const Segment& s, base::Nanos now);
  void advance_una(Seq ack, base::Nanos now);
  bool update_window(const Segment& s, base::Nanos now);
  void take_sack(const Segment& s, base::Nanos now, AckTally& tally);
  void recover(const Segment& s, const AckTally& tally, uint32_t acked, base::Nanos now);
  void enter_recovery(base::Nanos now);
  void take_ecn_echo(const Segment& s, base::Nanos now);
  void after_own_fin_acked(base::Nanos now);
  // receive.cpp
  void take_text(const Segment& s, base::Nanos now);  // seventh
  size_t store(Seq begin, base::Bytes bytes);
  void take_fin(base::Nanos now);  // eighth
  void advance_rcv(Seq to, base::Nanos now);
  void owe_ack(base::Nanos now, uint32_t bytes);
  Seq window_edge() const;
  uint16_t advertise();
  // output.cpp
  bool emit_reset(Outgoing& out, base::Nanos now);
  bool emit_retransmission(const Plan& plan, base::Nanos now, Outgoing& out);
  bool emit_new(const Plan& plan, base::Nanos now, Outgoing& out);
  bool resend(SentRecord* record, base::Nanos now, Outgoing& out);
  bool emit_probe(base::Nanos now, Outgoing& out);
  bool emit_ack(base::Nanos now, Outgoing& out);
  void head(Outgoing& out, base::Nanos now, bool with_sack);
  bool emit_handshake(base::Nanos now, Outgoing& out);
  void on_sent(const Outgoing& out, base::Nanos now);
  void fill(Outgoing& out, Seq begin, Seq end);
  bool send_new(Outgoing& out, uint32_t bytes, bool fin, base::Nanos now);
  bool held_back(uint32_t bytes, uint32_t available, uint32_t room) const;
  Pacing::Path path() const;
  uint32_t take_turn(uint32_t bytes, uint32_t room, base::Nanos now);
  uint32_t payload_room(const Outgoing& out) const;
  // timers.cpp
  void arm_retransmit(base::Nanos now);
  void on_retransmit_timer(base::Nanos now);
  void on_tail_probe(base::Nanos now);
  void on_window_probe(base::Nanos now);
  void on_timeout(base::Nanos now);
  void on_keepalive(base::Nanos now);
  void enter_time_wait(base::Nanos now);
  base::Nanos patience_ends() const;
  void run_out_of_patience();
  void lower_mss(uint16_t mss);

  // Of what has no bytes: a peer whose window was shut when a probe went out refuses, with the probe, all that comes
  // behind it, window and acknowledgement too (§3.10.7.4, first).
  Seq acceptable_seq() const { return earlier(snd_nxt_, snd_una_ + snd_wnd_); }
  bool synchronized() const { return state_ >= State::kEstablished; }
  bool may_send_data() const { return state_ == State::kEstablished || state_ == State::kCloseWait || fin_wanted(); }
  bool fin_wanted() const {
    return state_ == State::kFinWait1 || state_ == State::kClosing || state_ == State::kLastAck;
  }
  uint64_t offset_of(Seq s) const { return acked_ + static_cast<uint32_t>(s - data_una()); }
  Seq data_una() const { return iss_ + 1 + static_cast<uint32_t>(acked_); }
  Seq snd_nxt_data() const { return snd_nxt_ == iss_ ? iss_ + 1 : snd_nxt_ - (fin_sent_ ? 1 : 0); }
  Seq fin_seq() const { return iss_ + 1 + static_cast<uint32_t>(written_); }
  uint32_t timestamp(base::Nanos now) const { return ts_offset_ + static_cast<uint32_t>(now / kMillisecond); }
  bool outstanding() const { return snd_una_ != snd_nxt_; }
  bool something_to_send() const { return written_ != offset_of(snd_nxt_data()) || (fin_wanted() && !fin_sent_); }
  // Delayed acknowledgements make the smoothed round trip of a short path long, not the least one.
  bool paces() const { return shared_->tuning.pacing && scoreboard_.least_rtt() >= Pacing::kLeastRtt; }
  // What a congestion event reduces. Bytes that wait for their turn would be in flight without pacing.
  uint32_t flight() const {
    const uint32_t sent = snd_nxt_ - snd_una_;
    if (!waits_) return sent;
    return std::max(sent, static_cast<uint32_t>(std::min<uint64_t>(congestion_.window(), sent + unsent())));
  }
  uint32_t pipe() const { return scoreboard_.in_flight() - std::min(scoreboard_.in_flight(), dup_bytes_); }

  Shared* shared_ = nullptr;
  // Send (§3.3.1)
  Seq iss_ = 0, snd_una_ = 0, snd_nxt_ = 0, snd_wl1_ = 0, snd_wl2_ = 0;
  uint32_t snd_wnd_ = 0, max_snd_wnd_ = 0;
  uint64_t acked_ = 0;    // stream bytes acknowledged: the send chain begins here
  uint64_t written_ = 0;  // stream bytes given by the application
  Chain send_;
  Scoreboard scoreboard_;
  Congestion congestion_;
  Rtt rtt_;
  Pacing pacing_;
  Seq recover_ = 0;         // SND.NXT when the running recovery or reduction began
  Seq tail_probe_end_ = 0;  // RFC 8985 §7.2 TLP.end_seq
  uint32_t dup_bytes_ = 0;  // without SACK: what duplicate ACKs say has left the network
  uint16_t mss_ = 536;      // of what we send, without options
  uint16_t local_mss_ = 0;  // announced
  // Receive
  Seq irs_ = 0, rcv_nxt_ = 0;
  Seq rcv_edge_ = 0;  // right edge ever advertised: never moves back (§3.8.6)
  Seq last_ack_sent_ = 0;
  Seq fin_at_ = 0;  // sequence number of the peer's FIN when fin_seen_
  uint32_t ack_owed_bytes_ = 0;
  uint64_t received_ = 0, consumed_ = 0;
  Chain receive_;
  Reassembly reassembly_;
  SackBlock duplicate_;  // to report once (RFC 2883)
  // Timestamps (RFC 7323)
  uint32_t ts_offset_ = 0, ts_recent_ = 0;
  base::Nanos ts_recent_at_ = 0;
  // Timers; 0: not running
  base::Nanos retransmit_at_ = 0, reorder_at_ = 0, ack_at_ = 0, keepalive_at_ = 0, life_at_ = 0, hold_at_ = 0;
  base::Nanos progress_at_ = 0;  // since when the peer owes an answer
  base::Nanos last_sent_at_ = 0;
  base::Nanos user_timeout_ = 0, keepalive_idle_ = 0;

  State state_ = State::kClosed;
  End end_ = End::kOpen;
  Recovery recovery_ = Recovery::kOpen;
  uint8_t events_ = 0;
  uint8_t send_scale_ = 0, receive_scale_ = 0;
  uint8_t dup_acks_ = 0;
  uint8_t dup_acks_owed_ = 0;  // without SACK every segment out of order deserves its own ACK (RFC 5681 §4.2)
  uint8_t keepalive_sent_ = 0;
  uint8_t timeouts_ = 0;  // in a row, for black holes (RFC 4821 §7.7)
  uint8_t syn_sent_count_ = 0;
  enum class Timer : uint8_t { kTimeout, kTailProbe, kWindowProbe } retransmit_kind_ = Timer::kTimeout;
  bool passive_ : 1 = false;
  bool nagle_ : 1 = true;
  bool sack_ : 1 = false;
  bool timestamps_ : 1 = false;
  bool scaled_ : 1 = false;
  bool ecn_ : 1 = false;
  bool ecn_echo_ : 1 = false;     // CE arrived, CWR has not (RFC 3168 §6.1.3)
  bool ecn_reduced_ : 1 = false;  // CWR to be set on the next new segment (§6.1.2)
  bool reducing_ : 1 = false;     // reduced for this window already: until recover_
  bool ack_now_ : 1 = false;
  bool fin_sent_ : 1 = false;
  bool fin_seen_ : 1 = false;      // the peer's FIN is known, perhaps behind a gap
  bool fin_received_ : 1 = false;  // and everything before it
  bool orphan_ : 1 = false;        // close(): nobody reads
  bool reset_owed_ : 1 = false;
  bool window_probe_ : 1 = false;
  bool tail_probe_ : 1 = false;
  bool tail_probe_out_ : 1 = false;
  bool tail_probe_again_ : 1 = false;  // the probe was a retransmission
  bool keepalive_due_ : 1 = false;
  bool force_ : 1 = false;         // the next retransmission ignores the congestion window
  bool finish_early_ : 1 = false;  // finish() before ESTABLISHED
  bool reset_with_ack_ : 1 = false;
  bool wide_ : 1 = false;   // widen()
  bool waits_ : 1 = false;  // bytes that could leave wait for pacing_.free_at()
  Seq reset_seq_ = 0;
};
static_assert(sizeof(Connection) <= 1024, "a million idle connections: DESIGN aims at 2.5 KB each with tables");

}  // namespace penstock::tcp
