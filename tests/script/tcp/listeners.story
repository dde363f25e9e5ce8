# Listeners: SYN cookies (RFC 4987 section 3.6) with their options kept, limits of half-open connections, the accept queue.

# With timestamps nothing is lost: scale, SACK and timestamps return with the echo.
story a_cookie_keeps_the_options
  option timestamps on
  option window_scale on
  option receive_buffer 1000000
  listen cookies
  < S 0:0(0) win 20000 <mss 1000,sackOK,TS val 5 ecr 0,wscale 7>
  > S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK,TS,wscale 4>
  connections 0
  +0.1 < . 1(0) ack 1 win 100 <TS val 105 ecr $ts>
  state ESTABLISHED
  connections 1
  count cookies_sent 1
  count cookies_valid 1
  peer_window 12800
  mss 536
  < . 101:111(10) ack 1 <TS val 106 ecr $ts>
  > . 1:1(0) ack 1 <TS,sack 101:111>

# Without timestamps only the MSS survives, as the next lower class.
story a_cookie_without_timestamps_keeps_the_mss
  option mss 1460
  option window_scale on
  listen cookies
  < S 0:0(0) win 20000 <mss 1400,sackOK,wscale 7>
  > S. 0:0(0) ack 1 <mss 1460>
  +0.1 < . 1(0) ack 1 win 100
  state ESTABLISHED
  mss 1380
  peer_window 100

# The ACK that carries the cookie may carry data.
story a_cookie_comes_back_with_data
  listen cookies
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < P. 1:11(10) ack 1
  state ESTABLISHED
  readable 10
  read 10
  +0.04 > . 1:1(0) ack 11

# ... or a FIN.
story a_cookie_comes_back_with_a_fin
  listen cookies
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +0.1 < FP. 1:11(10) ack 1
  > . 1:1(0) ack 12
  state CLOSE-WAIT

# A number that is no cookie, or one for another peer's number: a reset (RFC 9293 section 3.10.7.2).
story a_wrong_cookie_is_reset
  listen cookies
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  < . 1(0) ack 2
  > R 2:2(0)
  < . 2(0) ack 1
  > R 1:1(0)
  connections 0
  count cookies_refused 2

# One to two periods of 64 s.
story a_cookie_expires
  listen cookies
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +130 < . 1(0) ack 1
  > R 1:1(0)
  connections 0

story a_cookie_of_a_minute_ago
  listen cookies
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  +60 < . 1(0) ack 1
  state ESTABLISHED

story a_reset_needs_no_cookie
  listen cookies
  < S 0:0(0) win 20000 <mss 1000>
  > S. 0:0(0) ack 1 <mss 1000>
  < R 1(0)
  nothing
  connections 0

# ECN is kept through a cookie with timestamps.
story a_cookie_keeps_ecn
  option timestamps on
  option ecn on
  listen cookies
  < SEW 0:0(0) win 20000 <mss 1000,TS val 5 ecr 0>
  > SE. 0:0(0) ack 1 <mss 1000,TS>
  +0.1 < . 1(0) ack 1 <TS val 105 ecr $ts>
  write 500
  > P. 1:501(500) ack 1 ecn ect0 <TS>

# ---- limits

# Beyond the half-open limit: cookies; below it again: none.
story beyond_the_half_open_limit_come_cookies
  listen half_open 2
  peer 1
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  peer 2
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  peer 3
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000>
  connections 2
  count cookies_sent 1
  peer 1
  +0.1 < . 1(0) ack 1
  state ESTABLISHED
  peer 4
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  count cookies_sent 1

story beyond_the_limit_of_a_source_come_cookies
  listen half_open_per_source 1
  peer 1
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  peer 2
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000>
  count cookies_sent 1

# A half-open connection that is reset makes room.
story a_reset_makes_room_for_another
  listen half_open 1
  peer 1
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  < R 1(0)
  peer 2
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  count cookies_sent 0

# The accept queue is full: the SYN is dropped, the peer tries again (RFC 9293 section 3.9.1 leaves it to us).
story the_accept_queue_is_full
  option accept off
  listen backlog 1
  peer 1
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  +0.1 < . 1(0) ack 1
  state ESTABLISHED
  peer 2
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  nothing
  count backlog_full 1
  count accepted 1

story the_table_is_full
  option capacity 1
  listen
  peer 1
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. *(0) ack 1 <mss 1000,sackOK>
  peer 2
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  nothing
  count table_full 1

# Text of a SYN: not taken, the peer sends it again (section 3.10.7.2 allows to queue it; nothing obliges).
story a_syn_with_data
  listen
  < SP 0(100) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 <mss 1000,sackOK>
  +0.1 < P. 1:101(100) ack 1
  readable 100
  +0.04 > . 1:1(0) ack 101

# ---- memory that runs short

# No range is left: what is out of order is dropped and sent again by the peer (RFC 9293 section 3.10.7.4 seventh).
story no_range_is_left
  option ranges 1
  use ESTABLISHED
  < . 101:111(10) ack 1
  > . 1:1(0) ack 1 <sack 101:111>
  < . 201:211(10) ack 1
  > . 1:1(0) ack 1 <*>
  count reassembly_full 1
  < . 1:101(100) ack 1
  > . 1:1(0) ack 111
  readable 110

# No chunk is left: the window does not open, nothing is lost that was acknowledged.
story no_chunk_is_left
  option chunks 2
  use ESTABLISHED
  < . 1:1001(1000) ack 1
  < . 1001:2001(1000) ack 1
  > . 1:1(0) ack 2001
  < . 2001:3001(1000) ack 1
  < . 3001:4001(1000) ack 1
  > . 1:1(0) ack 4001
  < . 4001:5001(1000) ack 1
  > . 1:1(0) ack 4097
  count pool_empty 1
  read 4096
  > . 1:1(0) ack 4097
