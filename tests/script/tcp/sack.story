# SACK (RFC 2018), D-SACK (RFC 2883) and loss detection by time (RACK-TLP, RFC 8985; PRR, RFC 6937). The round trip is 100 ms.

# ---- the receiver

# RFC 2018 section 4: the newest block first, then the others as recent as can be; three with timestamps, four without.
story four_blocks_at_most
  use ESTABLISHED
  < . 101:111(10) ack 1
  > . 1:1(0) ack 1 <sack 101:111>
  < . 201:211(10) ack 1
  > . 1:1(0) ack 1 <sack 201:211 101:111>
  < . 301:311(10) ack 1
  > . 1:1(0) ack 1 <sack 301:311 201:211 101:111>
  < . 401:411(10) ack 1
  > . 1:1(0) ack 1 <sack 401:411 301:311 201:211 101:111>
  < . 501:511(10) ack 1
  > . 1:1(0) ack 1 <sack 501:511 401:411 301:311 201:211>

story a_block_that_grows_is_the_newest
  use ESTABLISHED
  < . 101:111(10) ack 1
  > . 1:1(0) ack 1 <sack 101:111>
  < . 201:211(10) ack 1
  > . 1:1(0) ack 1 <sack 201:211 101:111>
  < . 111:121(10) ack 1
  > . 1:1(0) ack 1 <sack 101:121 201:211>

story blocks_join
  use ESTABLISHED
  < . 101:111(10) ack 1
  > . 1:1(0) ack 1 <sack 101:111>
  < . 121:131(10) ack 1
  > . 1:1(0) ack 1 <sack 121:131 101:111>
  < . 111:121(10) ack 1
  > . 1:1(0) ack 1 <sack 101:131>

story a_filled_gap_is_told_at_once
  use ESTABLISHED
  < . 11:21(10) ack 1
  > . 1:1(0) ack 1 <sack 11:21>
  < . 31:41(10) ack 1
  > . 1:1(0) ack 1 <sack 31:41 11:21>
  < . 1:11(10) ack 1
  > . 1:1(0) ack 21 <sack 31:41>
  < . 21:31(10) ack 1
  > . 1:1(0) ack 41

# RFC 5681 section 4.2: a segment that fills part of a gap deserves an ACK at once.
story part_of_a_gap_is_told_at_once
  use ESTABLISHED
  < . 21:31(10) ack 1
  > . 1:1(0) ack 1 <sack 21:31>
  < . 1:11(10) ack 1
  > . 1:1(0) ack 11 <sack 21:31>

story no_sack_without_permission
  listen
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < . 1(0) ack 1
  < . 101:111(10) ack 1
  > . 1:1(0) ack 1
  < . 201:211(10) ack 1
  > . 1:1(0) ack 1

story sack_switched_off
  option sack off
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < . 1(0) ack 1
  < . 101:111(10) ack 1
  > . 1:1(0) ack 1

# RFC 2883 section 4.1: a whole duplicate of acknowledged bytes, reported once.
story dsack_of_acknowledged_bytes
  use ESTABLISHED
  < P. 1:1001(1000) ack 1
  +0.04 > . 1:1(0) ack 1001
  < P. 1:1001(1000) ack 1
  > . 1:1(0) ack 1001 <sack 1:1001>
  < . 1101:1201(100) ack 1
  > . 1:1(0) ack 1001 <sack 1101:1201>

# Section 4.2: of bytes that wait: the duplicate, then the block around it.
story dsack_of_waiting_bytes
  use ESTABLISHED
  < . 1001:3001(2000) ack 1
  > . 1:1(0) ack 1 <sack 1001:3001>
  < . 1501:2001(500) ack 1
  > . 1:1(0) ack 1 <sack 1501:2001 1001:3001>

# Section 4.3: partly a duplicate.
story dsack_of_a_part
  use ESTABLISHED
  < . 1:501(500) ack 1
  +0.04 > . 1:1(0) ack 501
  < . 1001:1501(500) ack 1
  > . 1:1(0) ack 501 <sack 1001:1501>
  < . 301:801(500) ack 1
  > . 1:1(0) ack 801 <sack 301:501 1001:1501>

# ---- the sender

macro FIVE-SENT
  use ESTABLISHED
  write 5000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > P. 4001:5001(1000) ack 1

# RFC 8985 section 6.2 step 4: three sacked segments: no reordering window.
story three_sacked_lose_the_first
  use FIVE-SENT
  +0.1 < . 1(0) ack 1 <sack 1001:2001>
  +0.001 < . 1(0) ack 1 <sack 1001:3001>
  +0.001 < . 1(0) ack 1 <sack 1001:4001>
  > . 1:1001(1000) ack 1
  count fast_recoveries 1
  +0.1 < . 1(0) ack 5001
  deadline none
  ssthresh 2500

# Section 6.2: fewer: a quarter of the least round trip is waited.
story one_sacked_waits_for_reordering
  use FIVE-SENT
  +0.1 < . 1(0) ack 1 <sack 1001:2001>
  +0.025 > . 1:1001(1000) ack 1
  count fast_recoveries 1
  +0.1 < . 1(0) ack 5001

story two_sacked_wait_for_reordering
  use FIVE-SENT
  +0.1 < . 1(0) ack 1 <sack 1001:3001>
  +0.025 > . 1:1001(1000) ack 1
  count fast_recoveries 1
  +0.1 < . 1(0) ack 5001

# Reordering: the missing one arrives in time and nothing is sent again.
story reordering_is_no_loss
  use FIVE-SENT
  +0.1 < . 1(0) ack 1 <sack 1001:2001>
  +0.01 < . 1(0) ack 2001
  +0.005 < . 1(0) ack 5001
  +0.2 nothing
  count fast_recoveries 0
  count retransmitted 0

# Section 6.2 step 4: once reordering was seen, three sacked segments do not end the waiting.
story after_reordering_the_window_stays
  use FIVE-SENT
  +0.1 < . 1(0) ack 1 <sack 1001:2001>
  +0.005 < . 1(0) ack 2001
  +0.001 < . 1(0) ack 2001 <sack 3001:5001>
  +0.001 write 2000
  > . 5001:6001(1000) ack 1
  > P. 6001:7001(1000) ack 1
  +0.002 < . 1(0) ack 5001
  nothing
  +0.15 < . 1(0) ack 7001
  count retransmitted 0

story two_holes_are_both_repaired
  use FIVE-SENT
  +0.1 < . 1(0) ack 1 <sack 1001:2001 3001:5001>
  > . 1:1001(1000) ack 1
  > . 2001:3001(1000) ack 1
  +0.1 < . 1(0) ack 2001 <sack 3001:5001>
  +0.1 < . 1(0) ack 5001
  count retransmitted 2
  count fast_recoveries 1
  deadline none

# RFC 8985 section 3.4: a retransmission that is lost again is found by time as well.
story a_lost_retransmission_is_found
  use ESTABLISHED
  write 4000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > P. 3001:4001(1000) ack 1
  +0.1 < . 1(0) ack 1 <sack 1001:4001>
  > . 1:1001(1000) ack 1
  +0.001 write 1000
  > P. 4001:5001(1000) ack 1
  +0.13 < . 1(0) ack 1 <sack 1001:5001>
  > . 1:1001(1000) ack 1
  +0.1 < . 1(0) ack 5001
  count timeouts 0

# RFC 2018 section 8: after a timeout nothing that was sacked counts (the peer may renege).
story a_timeout_forgets_sacks
  use FIVE-SENT
  +0.1 < . 1(0) ack 1 <sack 1001:5001>
  > . 1:1001(1000) ack 1
  +0.2~1.0 > . 1:1001(1000) ack 1
  +0.1 < . 1(0) ack 1001
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  +0.1 < . 1(0) ack 5001

# Blocks that lie: beyond SND.NXT, backwards, empty. Nothing follows from them.
story nonsense_blocks_are_ignored
  use FIVE-SENT
  +0.05 < . 1(0) ack 1 <sack 6001:7001>
  < . 1(0) ack 1 <sack 4001:3001>
  < . 1(0) ack 1 <sack 3001:3001>
  < . 1(0) ack 1 <sack 4001:9001>
  nothing
  +0.05 < . 1(0) ack 5001
  +0.5 nothing
  count retransmitted 0

# A block below the ACK is a D-SACK (RFC 2883 section 4): no loss follows from it.
story a_dsack_is_no_loss
  use FIVE-SENT
  +0.1 < . 1(0) ack 3001 <sack 1:1001>
  nothing
  +0.01 < . 1(0) ack 5001
  +0.2 nothing
  count retransmitted 0

# PRR (RFC 6937 section 3): while one hole is repaired out of twenty, about half as much is sent as is delivered, and the window
# ends at ssthresh.
story prr_ends_at_ssthresh
  use ESTABLISHED
  write 10000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > . 4001:5001(1000) ack 1
  > . 5001:6001(1000) ack 1
  > . 6001:7001(1000) ack 1
  > . 7001:8001(1000) ack 1
  > . 8001:9001(1000) ack 1
  > P. 9001:10001(1000) ack 1
  cwnd 10000
  +0.1 < . 1(0) ack 1 <sack 1001:4001>
  > . 1:1001(1000) ack 1
  ssthresh 5000
  +0.05 < . 1(0) ack 1 <sack 1001:10001>
  nothing
  +0.05 < . 1(0) ack 10001
  cwnd 5000
  deadline none

# ---- without SACK: RFC 5681 section 3.2, RFC 6582

macro FIVE-SENT-WITHOUT-SACK
  option sack off
  listen
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < . 1(0) ack 1
  write 5000
  > . 1:1001(1000) ack 1
  > . 1001:2001(1000) ack 1
  > . 2001:3001(1000) ack 1
  > . 3001:4001(1000) ack 1
  > P. 4001:5001(1000) ack 1

story three_duplicates_lose_the_first
  use FIVE-SENT-WITHOUT-SACK
  +0.1 < . 1(0) ack 1
  nothing
  +0.001 < . 1(0) ack 1
  nothing
  +0.001 < . 1(0) ack 1
  > . 1:1001(1000) ack 1
  +0.001 < . 1(0) ack 1
  nothing
  +0.1 < . 1(0) ack 5001
  ssthresh 2500
  count fast_recoveries 1
  deadline none

# RFC 6582 section 3.2 step 3: a partial ACK: the next hole at once.
story a_partial_ack_repairs_the_next_hole
  use FIVE-SENT-WITHOUT-SACK
  +0.1 < . 1(0) ack 1
  < . 1(0) ack 1
  < . 1(0) ack 1
  > . 1:1001(1000) ack 1
  +0.1 < . 1(0) ack 2001
  > . 2001:3001(1000) ack 1
  +0.1 < . 1(0) ack 5001
  count fast_recoveries 1
  count timeouts 0

# RFC 5681 section 2: a segment with data, or with another window, is no duplicate ACK.
story data_and_window_updates_are_no_duplicates
  use FIVE-SENT-WITHOUT-SACK
  +0.1 < P. 1(1) ack 1
  < P. 2(1) ack 1
  < P. 3(1) ack 1
  < . 4(0) ack 1 win 19000
  < . 4(0) ack 1 win 18000
  < . 4(0) ack 1 win 17000
  count fast_recoveries 0
  +0.01 < . 4(0) ack 5001 win 20000
  +0.03 > . 5001(0) ack 4

# RFC 6582 section 3.2 step 1: duplicates of what was sent before the last recovery do not begin another.
story duplicates_after_a_timeout_begin_no_recovery
  use FIVE-SENT-WITHOUT-SACK
  +0.3 > . 1:1001(1000) ack 1
  +0.05 < . 1(0) ack 1
  < . 1(0) ack 1
  < . 1(0) ack 1
  < . 1(0) ack 1
  nothing
  count fast_recoveries 0
  +0.05 < . 1(0) ack 5001
