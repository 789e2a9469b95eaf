/**
 * Every error and information text of the stand-in, in one table. Sources are sections of sqlserver.md, or pages of Microsoft's documentation;
 * `unverified` marks a text, number or severity that neither states. States are in no page: where a section does not name them they are unverified.
 */
import type { Message, SqlFailure } from './contract.ts';

type Scope = SqlFailure['scope'];
/** The pages of all numbers, by thousands, with severity and text (read for 2016 to 2022). */
const documented = 'learn.microsoft.com: database engine errors';

type Entry = readonly [severity: number, state: number, template: string, source: string, scope?: Scope];

// One line a message, so that it can be read as a table. `%s` takes the next argument. Keep sorted by number.
// prettier-ignore
const table: Readonly<Record<number, Entry>> = {
  53: [16, 1, 'Named Pipes Provider: Could not open a connection to SQL Server [53].', 'unverified'],
  102: [15, 1, "Incorrect syntax near '%s'.", documented, 'batch'],
  103: [15, 4, "The %s that starts with '%s' is too long. Maximum length is %s.", documented, 'batch'],
  105: [15, 1, "Unclosed quotation mark after the character string '%s'.", documented, 'batch'],
  107: [15, 1, "The column prefix '%s' does not match with a table name or alias name used in the query.", documented, 'batch'],
  108: [15, 1, 'The ORDER BY position number %s is out of range of the number of items in the select list.', documented, 'batch'],
  109: [15, 1, 'There are more columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.', documented, 'batch'],
  110: [15, 1, 'There are fewer columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.', documented, 'batch'],
  113: [15, 1, "Missing end comment mark '*/'.", documented, 'batch'],
  116: [16, 1, 'Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.', 'learn.microsoft.com: database engine errors; severity as servers print it', 'batch'],
  120: [15, 1, 'The select list for the INSERT statement contains fewer items than the insert list. The number of SELECT values must match the number of INSERT columns.', documented, 'batch'],
  121: [15, 1, 'The select list for the INSERT statement contains more items than the insert list. The number of SELECT values must match the number of INSERT columns.', documented, 'batch'],
  131: [15, 3, "The size (%s) given to the %s '%s' exceeds the maximum allowed for any data type (%s).", documented, 'batch'],
  134: [15, 2, "The variable name '%s' has already been declared. Variable names must be unique within a query batch or stored procedure.", documented, 'batch'],
  135: [15, 1, 'Cannot use a BREAK statement outside the scope of a WHILE statement.', documented, 'batch'],
  136: [15, 1, 'Cannot use a CONTINUE statement outside the scope of a WHILE statement.', documented, 'batch'],
  137: [15, 2, 'Must declare the scalar variable "%s".', documented, 'batch'],
  141: [15, 1, 'A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.', documented, 'batch'],
  144: [15, 1, 'Cannot use an aggregate or a subquery in an expression used for the group by list of a GROUP BY clause.', documented, 'batch'],
  145: [15, 1, 'ORDER BY items must appear in the select list if SELECT DISTINCT is specified.', documented, 'batch'],
  147: [15, 1, 'An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference.', documented, 'batch'],
  148: [15, 1, "Incorrect time syntax in time string '%s' used with %s.", documented, 'batch'],
  155: [15, 1, "'%s' is not a recognized %s option.", 'sqlserver.md §1.4', 'batch'],
  156: [15, 1, "Incorrect syntax near the keyword '%s'.", documented, 'batch'],
  174: [15, 1, 'The %s function requires %s argument(s).', documented, 'batch'],
  179: [15, 1, 'Cannot use the OUTPUT option when passing a constant to a stored procedure.', documented, 'batch'],
  189: [15, 1, 'The %s function requires %s to %s arguments.', documented, 'batch'],
  195: [15, 10, "'%s' is not a recognized built-in function name.", documented, 'batch'],
  201: [16, 4, "Procedure or function '%s' expects parameter '%s', which was not supplied.", documented],
  205: [16, 1, 'All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.', documented, 'batch'],
  206: [16, 2, 'Operand type clash: %s is incompatible with %s', documented, 'batch'],
  207: [16, 1, "Invalid column name '%s'.", documented, 'batch'],
  208: [16, 1, "Invalid object name '%s'.", documented, 'batch'],
  209: [16, 1, "Ambiguous column name '%s'.", documented, 'batch'],
  213: [16, 7, 'Column name or number of supplied values does not match table definition.', 'sqlserver.md §2.1; text: learn.microsoft.com: database engine errors', 'batch'],
  217: [16, 1, 'Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).', documented, 'batch'],
  220: [16, 2, 'Arithmetic overflow error for data type %s, value = %s.', documented],
  226: [16, 6, '%s statement not allowed within multi-statement transaction.', 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  232: [16, 3, 'Arithmetic overflow error for type %s, value = %s.', documented],
  235: [16, 0, 'Cannot convert a char value to money. The char value has incorrect syntax.', documented, 'transaction'],
  241: [16, 1, 'Conversion failed when converting date and/or time from character string.', documented, 'transaction'],
  242: [16, 3, 'The conversion of a %s data type to a %s data type resulted in an out-of-range value.', documented, 'transaction'],
  243: [16, 1, 'Type %s is not a defined system type.', documented, 'batch'],
  244: [16, 1, "The conversion of the %s value '%s' overflowed an %s column. Use a larger integer column.", documented, 'transaction'],
  245: [16, 1, "Conversion failed when converting the %s value '%s' to data type %s.", documented, 'transaction'],
  248: [16, 1, "The conversion of the %s value '%s' overflowed an int column.", documented, 'transaction'],
  257: [16, 3, 'Implicit conversion from data type %s to %s is not allowed. Use the CONVERT function to run this query.', documented, 'batch'],
  262: [14, 1, "%s permission denied in database '%s'.", 'sqlserver.md §1.4'],
  263: [16, 1, 'Must specify table to select from.', documented, 'batch'],
  264: [16, 1, "The column name '%s' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause. Modify the clause to make sure that a column is updated only once. If this statement updates or inserts columns into a view, column aliasing can conceal the duplication in your code.", documented, 'batch'],
  266: [16, 2, 'Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements. Previous count = %s, current count = %s.', documented],
  273: [16, 1, 'Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column, or insert a DEFAULT into the timestamp column.', documented],
  281: [16, 1, '%s is not a valid style number when converting from %s to a character string.', documented, 'batch'],
  402: [16, 1, 'The data types %s and %s are incompatible in the %s operator.', documented, 'batch'],
  405: [16, 1, 'A remote table cannot be used as a DML target in a statement which includes an OUTPUT clause or a nested DML statement.', documented, 'batch'],
  512: [16, 1, 'Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.', documented],
  515: [16, 2, "Cannot insert the value NULL into column '%s', table '%s'; column does not allow nulls. %s fails.", documented],
  517: [16, 1, "Adding a value to a '%s' column caused an overflow.", documented],
  529: [16, 1, 'Explicit conversion from data type %s to %s is not allowed.', documented, 'batch'],
  535: [16, 0, 'The %s function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use %s with a less precise datepart.', documented],
  536: [16, 1, 'Invalid length parameter passed to the %s function.', documented],
  537: [16, 2, 'Invalid length parameter passed to the LEFT or SUBSTRING function.', documented],
  544: [16, 1, "Cannot insert explicit value for identity column in table '%s' when IDENTITY_INSERT is set to OFF.", documented],
  547: [16, 0, 'The %s statement conflicted with the %s constraint "%s". The conflict occurred in database "%s", table "%s"%s.', documented],
  574: [16, 0, '%s statement cannot be used inside a user transaction.', 'learn.microsoft.com: RECONFIGURE; text: learn.microsoft.com: database engine errors'],
  596: [21, 1, 'Cannot continue the execution because the session is in the kill state.', 'sqlserver.md §8.4; text: learn.microsoft.com: database engine errors; severity as servers print it', 'connection'],
  627: [16, 0, 'Cannot use SAVE TRANSACTION within a distributed transaction.', 'support.microsoft.com: KB4092554'],
  628: [16, 0, 'Cannot issue SAVE TRANSACTION when there is no active transaction.', documented],
  911: [16, 11, "Database '%s' does not exist. Make sure that the name is entered correctly.", 'sqlserver.md §1.4', 'batch'],
  916: [14, 2, 'The server principal "%s" is not able to access the database "%s" under the current security context.', 'sqlserver.md §1.4', 'batch'],
  922: [14, 1, "Database '%s' is being recovered. Waiting until recovery is finished.", 'sqlserver.md §1.4; text: learn.microsoft.com: database engine errors', 'batch'],
  924: [14, 1, "Database '%s' is already open and can only have one user at a time.", 'sqlserver.md §8.4; text: learn.microsoft.com: database engine errors', 'batch'],
  926: [14, 1, "Database '%s' cannot be opened. It has been marked SUSPECT by recovery. See the SQL Server errorlog for more information.", 'sqlserver.md §1.4; text: learn.microsoft.com: database engine errors', 'batch'],
  927: [14, 2, "Database '%s' cannot be opened. It is in the middle of a restore.", 'sqlserver.md §1.4', 'batch'],
  942: [14, 4, "Database '%s' cannot be opened because it is offline.", 'sqlserver.md §1.4', 'batch'],
  945: [16, 2, "Database '%s' cannot be opened due to inaccessible files or insufficient memory or disk space.  See the SQL Server errorlog for details.", 'sqlserver.md §1.4; text: learn.microsoft.com: database engine errors', 'batch'],
  1001: [16, 1, 'Line %s: Length or precision specification %s is invalid.', documented, 'batch'],
  1007: [15, 1, "The number '%s' is out of the range for numeric representation (maximum precision 38).", documented, 'batch'],
  1012: [15, 1, "The correlation name '%s' has the same exposed name as table '%s'.", documented, 'batch'],
  1038: [15, 4, 'An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name. For other statements, look for empty alias names. Aliases defined as "" or [] are not allowed. Change the alias to a valid name.', documented, 'batch'],
  1046: [15, 1, 'Subqueries are not allowed in this context. Only scalar expressions are allowed.', documented, 'batch'],
  1060: [15, 1, 'The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.', documented],
  1087: [15, 2, 'Must declare the table variable "%s".', documented, 'batch'],
  1105: [17, 2, "Could not allocate space for object '%s' in database '%s' because the '%s' filegroup is full. Create disk space by deleting unneeded files, dropping objects in the filegroup, adding additional files to the filegroup, or setting autogrowth on for existing files in the filegroup.", 'learn.microsoft.com: database engine errors (2019; 2022 has more)'],
  1205: [13, 51, 'Transaction (Process ID %s) was deadlocked on %s resources with another process and has been chosen as the deadlock victim. Rerun the transaction.', 'sqlserver.md §2.5; text: learn.microsoft.com: database engine errors', 'transaction'],
  1206: [18, 245, 'The Microsoft Distributed Transaction Coordinator (MS DTC) has cancelled the distributed transaction.', documented, 'transaction'],
  1222: [16, 51, 'Lock request time out period exceeded.', 'tech/standin.md Behaviour; text: learn.microsoft.com: database engine errors'],
  1505: [16, 1, "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '%s' and the index name '%s'. The duplicate key value is (%s).", documented],
  1767: [16, 0, "Foreign key '%s' references invalid table '%s'.", documented, 'batch'],
  1776: [16, 0, "There are no primary or candidate keys in the referenced table '%s' that match the referencing column list in the foreign key '%s'.", documented, 'batch'],
  1801: [16, 3, "Database '%s' already exists. Choose a different database name.", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  1802: [16, 4, 'CREATE DATABASE failed. Some file names listed could not be created. Check related errors.', documented],
  1834: [16, 1, "The file '%s' cannot be overwritten.  It is being used by database '%s'.", 'sqlserver.md §2.4'],
  1911: [16, 1, "Column name '%s' does not exist in the target table or view.", documented, 'batch'],
  1913: [16, 1, "The operation failed because an index or statistics with name '%s' already exists on table '%s'.", documented, 'batch'],
  2601: [14, 1, "Cannot insert duplicate key row in object '%s' with unique index '%s'. The duplicate key value is (%s).", documented],
  2627: [14, 1, "Violation of %s constraint '%s'. Cannot insert duplicate key in object '%s'. The duplicate key value is (%s).", documented],
  2628: [16, 1, "String or binary data would be truncated in table '%s', column '%s'. Truncated value: '%s'.", documented],
  2705: [16, 3, "Column names in each table must be unique. Column name '%s' in table '%s' is specified more than once.", documented, 'batch'],
  2714: [16, 6, "There is already an object named '%s' in the database.", documented, 'batch'],
  2715: [16, 6, 'Column, parameter, or variable #%s: Cannot find data type %s.', documented, 'batch'],
  2717: [15, 3, "The size (%s) given to the %s '%s' exceeds the maximum allowed (%s).", documented, 'batch'],
  2732: [16, 1, 'Error number %s is invalid. The number must be from %s through %s and it cannot be 50000.', documented],
  2742: [16, 1, 'SET DATEFIRST %s is out of range.', documented],
  2786: [16, 1, 'The data type of substitution parameter %s does not match the expected type of the format specification.', documented],
  2812: [16, 62, "Could not find stored procedure '%s'.", documented],
  3009: [16, 1, 'Could not insert a backup or restore history/detail record in the msdb database. This may indicate a problem with the msdb database. The backup/restore operation was still successful.', 'sqlserver.md §1.2; text: learn.microsoft.com: database engine errors'],
  3013: [16, 1, '%s is terminating abnormally.', 'sqlserver.md §1.4'],
  3014: [10, 1, '%s successfully processed %s pages in %s seconds (%s MB/sec).', 'sqlserver.md §1.3'],
  3021: [16, 0, 'Cannot perform a backup or restore operation within a transaction.', 'sqlserver.md §1.4'],
  3023: [16, 2, 'Backup, file manipulation operations (such as ALTER DATABASE ADD FILE) and encryption changes on a database must be serialized. Reissue the statement after the current backup or file manipulation operation is completed.', 'sqlserver.md §1.4'],
  3024: [16, 0, 'You can only perform a full backup of the master database. Use BACKUP DATABASE to back up the entire master database.', 'sqlserver.md §1.4; text: learn.microsoft.com: database engine errors'],
  3031: [16, 1, "Option '%s' conflicts with option(s) '%s'. Remove the conflicting option and reissue the statement.", 'sqlserver.md §1.4'],
  3032: [16, 2, 'One or more of the options (%s) are not supported for this statement. Review the documentation for supported options.', 'sqlserver.md §1.4'],
  3033: [16, 1, 'BACKUP DATABASE cannot be used on a database opened in emergency mode.', 'sqlserver.md §1.4'],
  3035: [16, 1, 'Cannot perform a differential backup for database "%s", because a current database backup does not exist. Perform a full database backup by reissuing BACKUP DATABASE, omitting the WITH DIFFERENTIAL option.', 'sqlserver.md §1.4'],
  3036: [16, 1, 'The database "%s" is in warm-standby state (set by executing RESTORE WITH STANDBY) and cannot be backed up until the entire restore sequence is completed.', 'sqlserver.md §1.4'],
  3043: [16, 1, "BACKUP '%s' detected an error on page (%s:%s) in file '%s'.", 'sqlserver.md §1.4'],
  3049: [16, 1, 'BACKUP detected corruption in the database log. Check the errorlog for more information.', 'sqlserver.md §1.4'],
  3044: [16, 1, 'Invalid zero-length device name. Reissue the BACKUP statement with a valid device name.', 'sqlserver.md §1.4; text: learn.microsoft.com: database engine errors'],
  3057: [16, 1, 'Invalid device name. The length of the device name provided exceeds supported limit (maximum length is:259). Reissue the BACKUP statement with a valid device name.', 'sqlserver.md §1.4; text: learn.microsoft.com: database engine errors'],
  3098: [16, 2, "The backup cannot be performed because '%s' was requested after the media was formatted with an incompatible structure. To append to this media set, either omit '%s' or specify '%s'. Alternatively, you can create a new media set by using WITH FORMAT in your BACKUP statement. If you use WITH FORMAT on an existing media set, all its backup sets will be overwritten.", 'sqlserver.md §1.1; text: learn.microsoft.com: database engine errors'],
  3101: [16, 1, 'Exclusive access could not be obtained because the database is in use.', 'sqlserver.md §1.4'],
  3102: [16, 1, "%s cannot process database '%s' because it is in use by this session. It is recommended that the master database be used when performing this operation.", 'sqlserver.md §2.4'],
  3104: [16, 1, "RESTORE cannot operate on database '%s' because it is configured for database mirroring or has joined an availability group. If you intend to restore the database, use ALTER DATABASE to remove mirroring or to remove the database from its availability group.", 'sqlserver.md §2.4, §4.2; text: learn.microsoft.com: database engine errors'],
  3110: [14, 1, "User does not have permission to RESTORE database '%s'.", 'sqlserver.md §2.4'],
  3117: [16, 1, 'The log or differential backup cannot be restored because no files are ready to rollforward.', 'sqlserver.md §2.4'],
  3118: [16, 1, 'The database "%s" does not exist. RESTORE can only create a database when restoring either a full backup or a file backup of the primary file.', 'sqlserver.md §2.4'],
  3119: [16, 1, 'Problems were identified while planning for the RESTORE statement. Previous messages provide details.', 'sqlserver.md §2.4'],
  3120: [16, 1, 'This backup set will not be restored because all data has already been restored to a point beyond the time covered by this backup set.', 'sqlserver.md §2.4'],
  3121: [16, 1, 'The file "%s" is on a recovery path that is inconsistent with application of this backup set. RESTORE cannot continue.', 'sqlserver.md §2.4'],
  3135: [16, 1, "The backup set in file '%s' was created by %s and cannot be used for this restore operation.", 'sqlserver.md §2.4'],
  3136: [16, 1, 'This differential backup cannot be restored because the database has not been restored to the correct earlier state.', 'sqlserver.md §2.4'],
  3142: [16, 1, 'File "%s" cannot be restored over the existing "%s". Reissue the RESTORE statement using WITH REPLACE to overwrite pre-existing files, or WITH MOVE to identify an alternate location.', 'sqlserver.md §2.4'],
  3145: [16, 1, 'The STOPAT option is not supported for databases that use the SIMPLE recovery model.', 'sqlserver.md §2.4'],
  3153: [16, 1, 'The database is already fully recovered.', 'sqlserver.md §2.4'],
  3154: [16, 4, "The backup set holds a backup of a database other than the existing '%s' database.", 'sqlserver.md §2.4'],
  3156: [16, 4, "File '%s' cannot be restored to '%s'. Use WITH MOVE to identify a valid location for the file.", 'sqlserver.md §2.4'],
  3159: [16, 1, 'The tail of the log for the database "%s" has not been backed up. Use BACKUP LOG WITH NORECOVERY to backup the log if it contains work you do not want to lose. Use the WITH REPLACE or WITH STOPAT clause of the RESTORE statement to just overwrite the contents of the log.', 'sqlserver.md §2.4'],
  3169: [16, 1, 'The database was backed up on a server running database version %s. That version is incompatible with this server, which supports version %s. Either restore the database on a server that supports the backup, or use a backup that is compatible with this server.', 'sqlserver.md §2.4'],
  3170: [16, 1, 'The STANDBY filename is invalid.', 'sqlserver.md §2.4'],
  3176: [16, 1, "File '%s' is claimed by '%s'(%s) and '%s'(%s). The WITH MOVE clause can be used to relocate one or more files.", 'sqlserver.md §2.4'],
  3180: [16, 1, 'This backup cannot be restored using WITH STANDBY because a database upgrade is needed. Reissue the RESTORE without WITH STANDBY.', documented],
  3183: [16, 1, 'RESTORE detected an error on page (%s:%s) in database "%s" as read from the backup set.', 'sqlserver.md §2.4'],
  3187: [16, 1, 'RESTORE WITH CHECKSUM cannot be specified because the backup set does not contain checksum information.', 'sqlserver.md §2.4'],
  3201: [16, 1, "Cannot open backup device '%s'. Operating system error %s.", 'sqlserver.md §1.4 (state 2 on RESTORE)'],
  3202: [16, 1, 'Write on "%s" failed: %s', 'sqlserver.md §1.4'],
  3203: [16, 1, 'Read on "%s" failed: %s', 'sqlserver.md §2.4'],
  3205: [16, 1, 'Too many backup devices specified for backup or restore; only %s are allowed.', 'sqlserver.md §1.4'],
  3211: [10, 1, '%s percent processed.', 'sqlserver.md §1.3'],
  3234: [16, 2, "Logical file '%s' is not part of database '%s'. Use RESTORE FILELISTONLY to list the logical file names.", 'sqlserver.md §2.4'],
  3241: [16, 0, "The media family on device '%s' is incorrectly formed. SQL Server cannot process this media family.", 'sqlserver.md §2.4'],
  3242: [16, 1, "The file on device '%s' is not a valid Microsoft Tape Format backup set.", 'sqlserver.md §2.4'],
  3253: [16, 1, 'The block size parameter must supply a value that is a power of 2.', 'sqlserver.md §1.1 (text: database engine errors 3000 to 3999)'],
  3254: [16, 1, "The volume on device '%s' is empty.", 'sqlserver.md §2.4'],
  3256: [16, 1, "The backup set on device '%s' was terminated while it was being created and is incomplete. RESTORE sequence is terminated abnormally.", 'sqlserver.md §2.4'],
  3257: [16, 1, "There is insufficient free space on disk volume '%s' to create the database. The database requires %s additional free bytes, while only %s bytes are available.", 'sqlserver.md §2.4'],
  3262: [10, 1, 'The backup set on file %s is valid.', 'sqlserver.md §1.3'],
  3266: [16, 1, 'The backup data at the end of "%s" is incorrectly formatted. Backup sets on the media might be damaged and unusable.', 'sqlserver.md §1.4'],
  3271: [16, 1, 'A nonrecoverable I/O error occurred on file "%s:" %s.', 'sqlserver.md §1.4'],
  3287: [16, 1, "The file ID %s on device '%s' is incorrectly formed and can not be read.", 'sqlserver.md §2.4'],
  3414: [21, 2, "An error occurred during recovery, preventing the database '%s' (%s:0) from restarting. Diagnose the recovery errors and fix them, or restore from a known good backup. If errors are not corrected or expected, contact Technical Support.", 'sqlserver.md §3.5 (the error log it cites)'],
  3431: [21, 1, "Could not recover database '%s' (database ID %s) because of unresolved transaction outcomes. Microsoft Distributed Transaction Coordinator (MS DTC) transactions were prepared, but MS DTC was unable to determine the resolution. To resolve, either fix MS DTC, restore from a full backup, or repair the database.", 'sqlserver.md §3.5 (MSSQLSERVER_3431)'],
  3437: [21, 3, "An error occurred while recovering database '%s'. Unable to connect to Microsoft Distributed Transaction Coordinator (MS DTC) to check the completion status of transaction (0:%s). Fix MS DTC, and run recovery again.", 'sqlserver.md §3.5 (the error log it cites)'],
  3441: [21, 1, "During startup of warm standby database '%s' (database ID %s), its standby file ('%s') was inaccessible to the RESTORE statement. The operating system error was '%s'. Diagnose the operating system error, correct the problem, and retry startup.", documented],
  3446: [16, 1, "Primary log file is not available for database '%s'. The log cannot be backed up.", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  3623: [16, 1, 'An invalid floating point operation occurred.', documented],
  3701: [11, 5, "Cannot drop the %s '%s', because it does not exist or you do not have permission.", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  3702: [16, 4, 'Cannot drop database "%s" because it is currently in use.', 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  3708: [16, 4, "Cannot drop the %s '%s' because it is a system %s.", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  3726: [16, 1, "Could not drop object '%s' because it is referenced by a FOREIGN KEY constraint.", documented],
  3902: [16, 1, 'The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.', documented],
  3903: [16, 1, 'The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.', documented],
  3906: [16, 1, 'Failed to update database "%s" because the database is read-only.', 'sqlserver.md §9.2'],
  3915: [16, 0, 'Cannot use the ROLLBACK statement within an INSERT-EXEC statement.', documented],
  3916: [16, 0, 'Cannot use the COMMIT statement within an INSERT-EXEC statement unless BEGIN TRANSACTION is used first.', documented],
  3920: [16, 1, 'WITH MARK option only applies to the first BEGIN TRAN WITH MARK. The option is ignored.', 'sqlserver.md §3.1'],
  3928: [16, 1, 'The marked transaction "%s" failed. A timeout occurred while attempting to place a mark in the log by committing the marked transaction. This can be caused by contention with Microsoft Distributed Transaction Coordinator (MS DTC) transactions or other local marked transaction that have prepared, but not committed or aborted. Try the operation again and if the error persists, determine the source of the contention.', 'sqlserver.md §3.4; text: learn.microsoft.com: database engine errors', 'transaction'],
  3930: [16, 1, 'The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.', documented, 'batch'],
  3931: [16, 1, 'The current transaction cannot be committed and cannot be rolled back to a savepoint. Roll back the entire transaction.', documented],
  3998: [16, 1, 'Uncommittable transaction is detected at the end of the batch. The transaction is rolled back.', documented, 'batch'],
  4030: [10, 1, "The medium on device '%s' expires on %s and cannot be overwritten.", 'sqlserver.md §1.4'],
  4035: [10, 1, "Processed %s pages for database '%s', file '%s' on file %s.", 'sqlserver.md §1.3'],
  4037: [16, 1, 'The user-specified MEDIANAME "%s" does not match the MEDIANAME "%s" of the device "%s".', 'sqlserver.md §1.4 (text: database engine errors 4000 to 4999)'],
  4060: [11, 1, 'Cannot open database "%s" requested by the login. The login failed.', 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors', 'connection'],
  4104: [16, 1, 'The multi-part identifier "%s" could not be bound.', documented, 'batch'],
  4145: [15, 1, "An expression of non-boolean type specified in a context where a condition is expected, near '%s'.", documented, 'batch'],
  4208: [16, 1, 'The statement %s is not allowed while the recovery model is SIMPLE. Use BACKUP DATABASE or change the recovery model using ALTER DATABASE.', 'sqlserver.md §1.4'],
  4212: [16, 1, 'Cannot back up the log of the master database. Use BACKUP DATABASE instead.', 'sqlserver.md §1.4'],
  4214: [16, 1, 'BACKUP LOG cannot be performed because there is no current database backup.', 'sqlserver.md §1.4'],
  4217: [10, 1, 'BACKUP LOG cannot modify the database because the database is read-only. The backup will continue, although subsequent backups will duplicate the work of this backup.', 'sqlserver.md §1.3 (text: database engine errors 4000 to 4999)'],
  4305: [16, 1, 'The log in this backup set begins at LSN %s, which is too recent to apply to the database. An earlier log backup that includes LSN %s can be restored.', 'sqlserver.md §2.4'],
  4319: [16, 1, 'A previous restore operation was interrupted and did not complete processing on file \'%s\'. Either restore the backup set that was interrupted or restart the restore sequence.', 'sqlserver.md §2.4; text: learn.microsoft.com: database engine errors'],
  4322: [10, 1, 'This backup set contains records that were logged before the designated point in time. The database is being left in the restoring state so that more roll forward can be performed.', 'sqlserver.md §2.4'],
  4326: [16, 1, 'The log in this backup set terminates at LSN %s, which is too early to apply to the database. A more recent log backup that includes LSN %s can be restored.', 'sqlserver.md §2.4'],
  4329: [10, 1, 'This log file contains records logged before the designated mark. The database is being left in the Restoring state so you can apply another log file.', 'sqlserver.md §2.4'],
  4330: [16, 1, 'This backup set cannot be applied because it is on a recovery path that is inconsistent with the database. The recovery path is the sequence of data and log backups that have brought the database to a particular recovery point. Find a compatible backup to restore, or restore the rest of the database to match a recovery point within this backup set, which will restore the database to a different point in time.  For more information about recovery paths, see SQL Server Books Online.', 'sqlserver.md §2.4; text: learn.microsoft.com: database engine errors'],
  4333: [16, 1, 'The database cannot be recovered because the log was not restored.', 'sqlserver.md §2.4'],
  4334: [16, 1, 'The named mark does not identify a valid LSN.', 'sqlserver.md §2.4'],
  4335: [16, 1, 'The specified STOPAT time is too early. All or part of the database is already rolled forward beyond that point.', 'sqlserver.md §2.4'],
  4338: [16, 1, 'The STOPAT clause specifies a point too early to allow this backup set to be restored. Choose a different stop point or use RESTORE DATABASE WITH RECOVERY to recover at the current point.', 'sqlserver.md §2.4'],
  4340: [16, 1, 'The point-in-time clause of this RESTORE statement is restricted for use by RESTORE LOG statements only. Omit the clause or use a clause that includes a timestamp.', 'sqlserver.md §2.4'],
  4712: [16, 1, "Cannot truncate table '%s' because it is being referenced by a FOREIGN KEY constraint.", documented],
  4901: [16, 1, "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition specified, or the column being added is an identity or timestamp column, or alternatively if none of the previous conditions are satisfied the table must be empty to allow addition of this column. Column '%s' cannot be added to non-empty table '%s' because it does not satisfy these conditions.", documented],
  4902: [16, 1, "Cannot find the object \"%s\" because it does not exist or you do not have permissions.", documented, 'batch'],
  5011: [14, 5, "User does not have permission to alter database '%s', the database does not exist, or the database is not in a state that allows access checks.", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  5052: [16, 1, '%s is not permitted while a database is in the %s state.', 'sqlserver.md §9.2'],
  5058: [16, 1, "Option '%s' cannot be set in database '%s'.", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  5060: [10, 2, 'Nonqualified transactions are being rolled back. Estimated rollback completion: %s%.', 'sqlserver.md §9.2'],
  5063: [16, 1, "Database '%s' is in warm standby. A warm-standby database is read-only.", 'sqlserver.md §9.2 (text: database engine errors 5000 to 5999)'],
  5064: [16, 1, "Changes to the state or options of database '%s' cannot be made at this time. The database is in single-user mode, and a user is currently connected to it.", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  5069: [16, 1, 'ALTER DATABASE statement failed.', 'sqlserver.md §9.2'],
  5070: [16, 2, "Database state cannot be changed while other users are using the database '%s'", 'sqlserver.md §9.2; text: learn.microsoft.com: database engine errors'],
  5133: [16, 1, 'Directory lookup for the file "%s" failed with the operating system error %s.', 'sqlserver.md §2.4; text: learn.microsoft.com: database engine errors'],
  5149: [16, 3, "MODIFY FILE encountered operating system error %s while attempting to expand the physical file '%s'.", documented],
  5170: [16, 1, "Cannot create file '%s' because it already exists. Change the file path or the file name, and retry the operation.", documented],
  5701: [10, 2, "Changed database context to '%s'.", 'sqlserver.md §8.7'],
  5703: [10, 1, 'Changed language setting to %s.', 'sqlserver.md §8.7'],
  5812: [14, 1, 'You do not have permission to run the RECONFIGURE statement.', documented],
  6101: [16, 1, 'Session ID %s is not valid.', documented],
  6102: [14, 1, 'User does not have permission to use the KILL statement.', 'sqlserver.md §8.4; text: learn.microsoft.com: database engine errors'],
  6104: [16, 1, 'Cannot use KILL to kill your own process.', 'sqlserver.md §8.4; text: learn.microsoft.com: database engine errors'],
  6106: [16, 1, 'Process ID %s is not an active process ID.', 'sqlserver.md §8.4; text: learn.microsoft.com: database engine errors'],
  6107: [14, 1, 'Only user processes can be killed.', 'sqlserver.md §8.4; text: learn.microsoft.com: database engine errors'],
  6108: [16, 1, 'KILL SPID WITH COMMIT/ROLLBACK is not supported by Microsoft SQL Server. Use KILL UOW WITH COMMIT/ROLLBACK to resolve in-doubt distributed transactions involving Microsoft Distributed Transaction Coordinator (MS DTC).', documented],
  6110: [16, 1, 'The distributed transaction with UOW %s does not exist.', documented],
  6113: [16, 1, 'The distributed transaction associated with UOW %s is in PREPARE state. Use KILL UOW WITH COMMIT/ROLLBACK syntax to kill the transaction instead.', documented],
  6115: [16, 1, 'KILL command cannot be used inside user transactions.', 'sqlserver.md §8.4; text: learn.microsoft.com: database engine errors'],
  6401: [16, 1, 'Cannot roll back %s. No transaction or savepoint of that name was found.', documented],
  7202: [11, 2, "Could not find server '%s' in sys.servers. Verify that the correct server name was specified. If necessary, execute the stored procedure sp_addlinkedserver to add the server to sys.servers.", 'biztalk-dr.md F-13; text: learn.microsoft.com: database engine errors'],
  7391: [16, 2, 'The operation could not be performed because OLE DB provider "%s" for linked server "%s" was unable to begin a distributed transaction.', 'tech/standin.md Behaviour (text: MSSQLSERVER_7391)'],
  7395: [16, 2, 'Unable to start a nested transaction for OLE DB provider "%s" for linked server "%s". A nested transaction was required because the XACT_ABORT option was set to OFF.', 'learn.microsoft.com: SET XACT_ABORT; text: learn.microsoft.com: database engine errors'],
  7399: [16, 1, 'The OLE DB provider "%s" for linked server "%s" reported an error. Execution terminated by the provider because a resource limit was reached.', documented],
  7411: [16, 1, "Server '%s' is not configured for %s.", 'tech/standin.md Behaviour; text: learn.microsoft.com: database engine errors'],
  8003: [16, 1, 'The incoming request has too many parameters. The server supports a maximum of %s parameters. Reduce the number of parameters and resend the request.', documented, 'batch'],
  8101: [16, 1, "An explicit value for the identity column in table '%s' can only be specified when a column list is used and IDENTITY_INSERT is ON.", documented, 'batch'],
  8102: [16, 1, "Cannot update identity column '%s'.", documented, 'batch'],
  8106: [16, 1, "Table '%s' does not have the identity property. Cannot perform SET operation.", documented, 'batch'],
  8107: [16, 1, "IDENTITY_INSERT is already ON for table '%s.%s.%s'. Cannot perform SET operation for table '%s'.", documented],
  8110: [16, 0, "Cannot add multiple PRIMARY KEY constraints to table '%s'.", documented, 'batch'],
  8114: [16, 5, 'Error converting data type %s to %s.', documented, 'transaction'],
  8115: [16, 2, 'Arithmetic overflow error converting %s to data type %s.', documented],
  8117: [16, 1, 'Operand data type %s is invalid for %s operator.', documented, 'batch'],
  8120: [16, 1, "Column '%s' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.", documented, 'batch'],
  8134: [16, 1, 'Divide by zero error encountered.', 'tech/standin.md; text: learn.microsoft.com: database engine errors'],
  8143: [16, 1, "Parameter '%s' was supplied multiple times.", documented],
  8144: [16, 2, 'Procedure or function %s has too many arguments specified.', documented],
  8145: [16, 1, '%s is not a parameter for procedure %s.', documented],
  8152: [16, 14, 'String or binary data would be truncated.', documented],
  8155: [16, 2, "No column name was specified for column %s of '%s'.", 'learn.microsoft.com: database engine errors; severity as servers print it', 'batch'],
  8156: [16, 1, "The column '%s' was specified multiple times for '%s'.", 'learn.microsoft.com: database engine errors; severity unverified', 'batch'],
  8158: [16, 1, "'%s' has more columns than were specified in the column list.", 'learn.microsoft.com: database engine errors; severity unverified', 'batch'],
  8159: [16, 1, "'%s' has fewer columns than were specified in the column list.", 'learn.microsoft.com: database engine errors; severity as servers print it', 'batch'],
  8162: [16, 2, 'The formal parameter "%s" was not declared as an OUTPUT parameter, but the actual parameter passed in requested output.', documented],
  8169: [16, 2, 'Conversion failed when converting from a character string to uniqueidentifier.', documented, 'transaction'],
  8178: [16, 1, "The parameterized query '%s' expects the parameter '%s', which was not supplied.", documented],
  8179: [16, 2, 'Could not find prepared statement with handle %s.', documented],
  8501: [16, 3, "MSDTC on server '%s' is unavailable.", documented],
  8672: [16, 1, 'The MERGE statement attempted to UPDATE or DELETE the same row more than once. This happens when a target row matches more than one source row. A MERGE statement cannot UPDATE/DELETE the same row of the target table multiple times. Refine the ON clause to ensure a target row matches at most one source row, or use the GROUP BY clause to group the source rows.', documented],
  9002: [17, 2, "The transaction log for database '%s' is full due to '%s'.", 'biztalk-dr.md §7.1; text: learn.microsoft.com: database engine errors (2019; 2022 has more)'],
  10704: [15, 1, 'To rethrow an error, a THROW statement must be used inside a CATCH block. Insert the THROW statement inside a CATCH block, or add error parameters to the THROW statement.', documented, 'batch'],
  10709: [16, 1, 'The number of columns for each row in a table value constructor must be the same.', 'learn.microsoft.com: database engine errors; severity as servers print it', 'batch'],
  10713: [15, 1, 'A MERGE statement must be terminated by a semi-colon (;).', documented, 'batch'],
  10738: [15, 1, 'The number of row value expressions in the INSERT statement exceeds the maximum allowed number of 1000 row values.', 'https://github.com/dr5hn/countries-states-cities-database/issues/917', 'batch'],
  14243: [10, 1, "Job '%s' started successfully.", 'sqlserver.md §4.3'],
  14254: [10, 1, "Job '%s' stopped successfully.", documented],
  14256: [16, 1, 'Cannot start the job "%s" (ID %s) because it does not have any job server or servers defined. Associate the job with a job server by calling sp_add_jobserver.', documented],
  14261: [16, 1, "The specified %s ('%s') already exists.", documented],
  14262: [16, 1, "The specified %s ('%s') does not exist.", 'sqlserver.md §4.3'],
  14266: [16, 1, "The specified '%s' is invalid (valid values are: %s).", documented],
  14269: [16, 1, "Job '%s' is already targeted at server '%s'.", documented],
  14294: [16, 1, 'Supply either %s or %s to identify the job.', documented],
  14371: [16, 1, 'There are two or more schedules named "%s". Specify %s instead of %s to uniquely identify the schedule.', documented],
  14373: [16, 1, 'Supply either %s or %s to identify the schedule.', documented],
  14393: [16, 1, 'Only owner of a job or members of role sysadmin or SQLAgentOperatorRole can start and stop the job.', 'sqlserver.md §4.3 (text: database engine errors 14000 to 14999)'],
  14515: [16, 1, 'Only a member of the sysadmin server role can add a job for a different owner with @owner_login_name.', documented],
  14525: [16, 1, 'Only members of sysadmin role are allowed to update or delete jobs owned by a different login.', documented],
  14528: [16, 1, 'Job "%s" has no steps defined.', documented],
  15002: [16, 1, "The procedure '%s' cannot be executed within a transaction.", documented],
  15015: [16, 1, "The server '%s' does not exist. Use sp_helpserver to show available servers.", documented],
  15025: [16, 1, "The server principal '%s' already exists.", documented],
  15028: [16, 1, "The server '%s' already exists.", documented],
  15123: [16, 1, "The configuration option '%s' does not exist, or it may be an advanced option.", documented],
  15124: [16, 1, "The configuration option '%s' is not unique.", documented],
  15129: [16, 1, "'%s' is not a valid value for configuration option '%s'.", documented],
  15151: [16, 1, "Cannot %s the %s '%s', because it does not exist or you do not have permission.", documented],
  15247: [16, 1, 'User does not have permission to perform this action.', documented],
  15281: [16, 1, "SQL Server blocked access to %s '%s' of component '%s' because this component is turned off as part of the security configuration for this server. A system administrator can enable the use of '%s' by using sp_configure. For more information about enabling '%s', search for '%s' in SQL Server Books Online.", 'biztalk-dr.md §7.2 F-20; text: learn.microsoft.com: database engine errors; severity as servers print it'],
  15407: [11, 1, "'%s' is not a valid Windows NT name. Give the complete name: <domain\\username>.", documented],
  15427: [16, 1, "You must specify a provider name for unknown product '%s'.", documented],
  15428: [16, 1, "You cannot specify a provider or any properties for product '%s'.", documented],
  15429: [16, 1, "'%s' is an invalid product name.", documented],
  15457: [10, 1, "Configuration option '%s' changed from %s to %s. Run the RECONFIGURE statement to install.", 'learn.microsoft.com: server configuration options; text: learn.microsoft.com: database engine errors'],
  15600: [15, 1, "An invalid parameter or option was specified for procedure '%s'.", documented],
  18452: [14, 1, 'Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.', documented, 'connection'],
  18456: [14, 1, "Login failed for user '%s'.", 'sqlserver.md §8.7', 'connection'],
  22022: [16, 1, '%s', 'sqlserver.md §4.3'],
  22048: [16, 1, "xp_create_subdir() returned error %s, '%s'", 'sqlserver.md §7.3; text: learn.microsoft.com: troubleshoot backup and restore operations; severity as servers print it'],
  33111: [16, 3, "Cannot find server certificate with thumbprint '%s'.", 'sqlserver.md §2.4; text: learn.microsoft.com: database engine errors'],
  35100: [16, 10, 'Error number %s in the THROW statement is outside the valid range. Specify an error number in the valid range of 50000 to 2147483647.', documented, 'batch'],
  50000: [16, 255, 'STANDIN-UNSUPPORTED: %s', 'tech/standin.md Behaviour', 'batch'],
};

export type MessageArgument = string | number | bigint;

/** The message `number` of the table with `%s` filled in. Throws a plain Error for a number that is not in the table: a bug here. */
export function message(number: number, ...args: readonly MessageArgument[]): Message {
  const entry = table[number];
  if (entry === undefined) throw new Error(`message ${number} is not in the table of messages.ts`);
  let next = 0;
  const text = entry[2].replace(/%s/g, () => String(args[next++] ?? ''));
  return { number, severity: entry[0], state: entry[1], text };
}

/** A failing statement, with its messages in causal order. */
export class SqlError extends Error implements SqlFailure {
  readonly messages: readonly Message[];
  readonly scope: Scope;

  constructor(messages: readonly Message[], scope: Scope, cause?: unknown) {
    super(
      messages.map(each => `${each.number}: ${each.text}`).join(' | '),
      cause === undefined ? undefined : { cause },
    );
    this.name = 'SqlError';
    this.messages = messages;
    this.scope = scope;
  }
}

export function isFailure(error: unknown): error is SqlFailure {
  return error instanceof Error && 'messages' in error && 'scope' in error;
}

/** The failure of one message, to be thrown: `throw fail(208, name)`. Its scope is the table's (default: the statement alone). */
export function fail(number: number, ...args: readonly MessageArgument[]): SqlError {
  return new SqlError([message(number, ...args)], table[number]?.[4] ?? 'statement');
}

/** `fail` with another state than the table's (3201 has state 1 on BACKUP and 2 on RESTORE: sqlserver.md §2.4). */
export function failWithState(state: number, number: number, ...args: readonly MessageArgument[]): SqlError {
  return new SqlError([{ ...message(number, ...args), state }], table[number]?.[4] ?? 'statement');
}

/** Root causes followed by 3013 `<statement> is terminating abnormally.` (sqlserver.md §1.4). */
export function failTerminating(statement: string, cause: SqlFailure): SqlError {
  return new SqlError(
    [...cause.messages, message(3013, statement)],
    cause.scope === 'batch' ? 'statement' : cause.scope,
    cause,
  );
}

let refused = 0;

/** What the stand-in does not build is refused by name and counted (tech/standin.md, Staying honest 2). To be thrown. */
export function unsupported(what: string): SqlError {
  refused += 1;
  return fail(50000, what);
}

/** How many statements or options were refused since the process started. */
export function unsupportedCount(): number {
  return refused;
}

/** Numbers and their sources, for the conformance report. */
export function messageSources(): readonly { readonly number: number; readonly source: string }[] {
  return Object.entries(table).map(([number, entry]) => ({ number: Number(number), source: entry[3] }));
}
