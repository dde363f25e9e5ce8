# Segments in every order (RFC 9293 section 3.10.7.4 seventh, RFC 5681 section 4.2, RFC 2018 section 4). After each arrival what
# was sent must be the ACK of exactly what has arrived, with the blocks that lie beyond, the newest first.

story five_segments_in_order
  use ESTABLISHED
  permute
  +0.001 < . 1:101(100) ack 1
  +0.001 < . 101:201(100) ack 1
  +0.001 < . 201:301(100) ack 1
  +0.001 < . 301:401(100) ack 1
  +0.001 < P. 401:501(100) ack 1
  done
  readable 500
  read 500
  +0.1 drain
  buffers 0

# Of different lengths, the last with FIN.
story three_segments_and_fin_in_order
  use ESTABLISHED
  permute
  +0.001 < . 1:2(1) ack 1
  +0.001 < . 2:1002(1000) ack 1
  +0.001 < P. 1002:1009(7) ack 1
  done
  +0.001 < F. 1009(0) ack 1
  > . 1:1(0) ack 1010
  state CLOSE-WAIT
  read 1008
  buffers 0

# Pieces that overlap: every byte arrives once.
story four_overlapping_in_order
  use ESTABLISHED
  permute
  +0.001 < . 1:301(300) ack 1
  +0.001 < . 201:501(300) ack 1
  +0.001 < . 401:701(300) ack 1
  +0.001 < P. 601:901(300) ack 1
  done
  readable 900
  read 900
  +0.1 drain
  buffers 0
