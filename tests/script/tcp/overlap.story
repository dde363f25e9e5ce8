# Overlaps: what arrived first stays (RFC 9293 section 3.10.7.4 leaves it open; keep-first is the policy of this stack, so that
# what a peer has been told was received never changes), and duplicates are reported (RFC 2883).

story overlap_of_delivered_bytes_is_cut
  use ESTABLISHED
  < P. 1:11(10) ack 1 fill 65
  < P. 6:16(10) ack 1 fill 66
  > . 1:1(0) ack 16 <sack 6:11>
  read 10 fill 65
  read 5 fill 66

story overlap_with_waiting_bytes_keeps_the_first
  use ESTABLISHED
  < P. 11:21(10) ack 1 fill 65
  > . 1:1(0) ack 1 <sack 11:21>
  < P. 1:21(20) ack 1 fill 66
  > . 1:1(0) ack 21 <*>
  read 10 fill 66
  read 10 fill 65

story overlap_of_both_sides_of_waiting_bytes
  use ESTABLISHED
  < P. 11:21(10) ack 1 fill 65
  > . 1:1(0) ack 1 <sack 11:21>
  < P. 6:31(25) ack 1 fill 66
  > . 1:1(0) ack 1 <sack 11:21 6:31>
  < P. 1:6(5) ack 1 fill 67
  > . 1:1(0) ack 31
  read 5 fill 67
  read 5 fill 66
  read 10 fill 65
  read 10 fill 66

story overlap_of_two_waiting_pieces
  use ESTABLISHED
  < P. 11:21(10) ack 1 fill 65
  > . 1:1(0) ack 1 <sack 11:21>
  < P. 31:41(10) ack 1 fill 66
  > . 1:1(0) ack 1 <sack 31:41 11:21>
  < P. 16:36(20) ack 1 fill 67
  > . 1:1(0) ack 1 <*>
  < P. 1:11(10) ack 1 fill 68
  > . 1:1(0) ack 41
  read 10 fill 68
  read 10 fill 65
  read 10 fill 67
  read 10 fill 66

# The same waiting piece again, with other bytes (an attack on inspection): the first ones are delivered.
story same_piece_with_other_bytes
  use ESTABLISHED
  < P. 11:21(10) ack 1 fill 65
  > . 1:1(0) ack 1 <sack 11:21>
  < P. 11:21(10) ack 1 fill 66
  > . 1:1(0) ack 1 <sack 11:21 11:21>
  < P. 1:11(10) ack 1 fill 67
  > . 1:1(0) ack 21
  read 10 fill 67
  read 10 fill 65

# Text behind a FIN that waits does not belong to the stream.
story text_behind_a_waiting_fin
  use ESTABLISHED
  < F. 11(0) ack 1
  > . 1:1(0) ack 1
  < P. 6:21(15) ack 1
  > . 1:1(0) ack 1 <sack 6:11>
  < P. 1:6(5) ack 1
  > . 1:1(0) ack 12
  state CLOSE-WAIT
  readable 10

# A second FIN at another place: the first one stands.
story a_second_fin_elsewhere
  use ESTABLISHED
  < F. 11(0) ack 1
  > . 1:1(0) ack 1
  < F. 21(0) ack 1
  > . 1:1(0) ack 1 <*>
  < P. 1:11(10) ack 1
  > . 1:1(0) ack 12
  state CLOSE-WAIT

# A window of one byte: each byte counts once.
story byte_by_byte_backwards
  use ESTABLISHED
  +0.001 < . 5:6(1) ack 1
  drain
  +0.001 < . 4:5(1) ack 1
  drain
  +0.001 < . 3:4(1) ack 1
  drain
  +0.001 < . 2:3(1) ack 1
  drain
  +0.001 < P. 1:2(1) ack 1
  drain
  read 5
  buffers 0
