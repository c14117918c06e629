import type { ColumnType } from 'kysely';

type Timestamp = ColumnType<Date, Date | string, Date | string>;

/** The tables of schema.sql. In a handler's transaction they stand beside those of the bus. */
export interface UserDirectoryTables {
  user_directory: {
    user_id: string;
    tenant_id: string;
    name: string | null;
    email: string | null;
    deleted_at: Timestamp | null;
    version: number;
  };
  user_directory_history: {
    user_id: string;
    version: number;
    event_id: string;
    event_type: string;
    occurred_at: Timestamp;
  };
}
