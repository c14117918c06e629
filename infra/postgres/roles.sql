-- Roles of the event bus, to be run once by a superuser in the database of an outbox, before `bus migrate`:
--
--   psql "$DATABASE_URL" -v owner_password=... -v producer_password=... -f infra/postgres/roles.sql
--
-- event_bus owns the bus's tables: `bus migrate`, the publisher and the runners connect as this role. It has to be
-- the owner because the publisher and the runners make the daily partitions.
create role event_bus login password :'owner_password';
grant create, usage on schema public to event_bus;

-- orders is an application that appends events. It may insert them and do nothing else with the bus's tables: it
-- cannot read what others wrote, and nobody can change an event.
create role orders login password :'producer_password';
