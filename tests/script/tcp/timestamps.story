# Timestamps and PAWS (RFC 7323). The peer's clock and ours count milliseconds from the beginning of the story.

macro ESTABLISHED-TIMESTAMPS
  option timestamps on
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK,TS val 0 ecr 0>
  > S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK,TS val 0 ecr 0>
  +0.1 < . 1(0) ack 1 win 20000 <TS val 100 ecr 0>
  state ESTABLISHED

# Section 3.2: in every segment; RFC 6691: their bytes come off the segment.
story timestamps_in_every_segment
  use ESTABLISHED-TIMESTAMPS
  write 2000
  > . 1:989(988) ack 1 <TS val 100 ecr 100>
  > . 989:1977(988) ack 1 <TS val 100 ecr 100>
  +0.1 < . 1(0) ack 1977 <TS val 200 ecr 100>
  > P. 1977:2001(24) ack 1 <TS val 200 ecr 200>

story timestamps_of_one_side_are_none
  option timestamps on
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>

story timestamps_of_an_active_open
  option timestamps on
  open
  > S 0:0(0) <mss 1000,sackOK,TS val 0 ecr =0>
  +0.1 < S. 0:0(0) ack 1 <mss 1000,sackOK,TS val 7 ecr 0>
  > . 1:1(0) ack 1 <TS val 100 ecr 7>

# Section 5.3 R1: an older timestamp: an ACK, and nothing else happens.
story paws_rejects_old_data
  use ESTABLISHED-TIMESTAMPS
  < P. 1:11(10) ack 1 <TS val 99 ecr 0>
  > . 1:1(0) ack 1 <TS val 100 ecr 100>
  readable 0
  count paws_rejected 1

story paws_takes_equal_and_newer
  use ESTABLISHED-TIMESTAMPS
  < . 1:11(10) ack 1 <TS val 100 ecr 0>
  < . 11:21(10) ack 1 <TS val 101 ecr 0>
  readable 20
  +0.04 > . 1:1(0) ack 21 <TS>

# Section 5.2: PAWS comes before the sequence number, and not for resets.
story paws_does_not_reject_resets
  use ESTABLISHED-TIMESTAMPS
  < R 1(0) <TS val 1 ecr 0>
  state CLOSED
  end reset

story a_reset_needs_no_timestamp
  use ESTABLISHED-TIMESTAMPS
  < R 1(0)
  state CLOSED

# Section 3.2: a segment without the option where it was agreed is dropped silently.
story a_segment_without_timestamps_is_dropped
  use ESTABLISHED-TIMESTAMPS
  < P. 1:11(10) ack 1
  +1 nothing
  readable 0
  count missing_timestamps 1

# Section 5.5: TS.Recent of 24 days ago is no longer valid.
story paws_ends_after_24_days
  use ESTABLISHED-TIMESTAMPS
  +2073000 < P. 1:11(10) ack 1 <TS val 50 ecr 0>
  > . 1:1(0) ack 1 <TS>
  readable 0
  +1000 < P. 1:11(10) ack 1 <TS val 50 ecr 0>
  readable 10
  +0.04 > . 1:1(0) ack 11 <TS>

# Section 4.3: of several segments under one ACK the earliest is echoed.
story a_delayed_ack_echoes_the_earliest
  use ESTABLISHED-TIMESTAMPS
  < . 1:101(100) ack 1 <TS val 110 ecr 0>
  +0.01 < . 101:201(100) ack 1 <TS val 120 ecr 0>
  +0.03 > . 1:1(0) ack 201 <TS val 140 ecr 110>

# Section 4.3: what lies behind a gap does not count; what fills it does.
story a_gap_does_not_move_the_echo
  use ESTABLISHED-TIMESTAMPS
  < . 101:201(100) ack 1 <TS val 120 ecr 0>
  > . 1:1(0) ack 1 <TS val 100 ecr 100,sack 101:201>
  < . 1:101(100) ack 1 <TS val 130 ecr 0>
  > . 1:1(0) ack 201 <TS val 100 ecr 130>

# Section 5.3 R3: a segment out of the window does not move TS.Recent.
story a_segment_outside_does_not_move_the_echo
  use ESTABLISHED-TIMESTAMPS
  < . 30001(10) ack 1 <TS val 500 ecr 0>
  > . 1:1(0) ack 1 <TS val 100 ecr 100>
  < P. 1:11(10) ack 1 <TS val 110 ecr 0>
  readable 10
  +0.04 > . 1:1(0) ack 11 <TS val 140 ecr 110>

# Three blocks of SACK beside timestamps (RFC 2018 section 3).
story three_blocks_beside_timestamps
  use ESTABLISHED-TIMESTAMPS
  < . 101:111(10) ack 1 <TS val 100 ecr 0>
  > . 1:1(0) ack 1 <TS,sack 101:111>
  < . 201:211(10) ack 1 <TS val 100 ecr 0>
  > . 1:1(0) ack 1 <TS,sack 201:211 101:111>
  < . 301:311(10) ack 1 <TS val 100 ecr 0>
  > . 1:1(0) ack 1 <TS,sack 301:311 201:211 101:111>
  < . 401:411(10) ack 1 <TS val 100 ecr 0>
  > . 1:1(0) ack 1 <TS,sack 401:411 301:311 201:211>

# Section 4.1: the echo measures what Karn's rule cannot: a retransmission.
story an_echo_measures_a_retransmission
  option sack off
  option timestamps on
  listen
  < S 0:0(0) win 20000 <mss 1000,TS val 0 ecr 0>
  > S. 0:0(0) ack 1 <mss 1000,TS val 0 ecr 0>
  +0.1 < . 1(0) ack 1 <TS val 100 ecr 0>
  write 100
  > P. 1:101(100) ack 1 <TS val 100 ecr 100>
  +0.3 > P. 1:101(100) ack 1 <TS val 400 ecr 100>
  +0.1 < . 1(0) ack 101 <TS val 500 ecr 400>
  rto 250

# An old duplicate from before the wrap of sequence numbers is known by its age (section 5.1).
story paws_in_time_wait
  option timestamps on
  use ESTABLISHED-TIMESTAMPS
  finish
  > F. 1:1(0) ack 1 <TS>
  +0.1 < F. 1(0) ack 2 <TS val 200 ecr 100>
  > . 2:2(0) ack 2 <TS>
  state TIME-WAIT
  < F. 1(0) ack 2 <TS val 50 ecr 100>
  > . 2:2(0) ack 2 <TS>
  state TIME-WAIT
