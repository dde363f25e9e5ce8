// see penstock.proto
