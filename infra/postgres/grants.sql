-- What producers may do, to be run as event_bus after `bus migrate`, once per producer.
select outbox_grant_producer('orders');
